"""OSCQuery: the address space over HTTP and WebSocket, from a process of its own that is an OSC client like any other.

Reference: https://github.com/Vidvox/OSCQueryProposal
"""
