"""Training of Petrichor's voices: from a folder of recordings to a voice file.

The command ``petrichor-train`` runs the three steps in order: `prepare`, `fit`, `export`.
Nothing is imported here, so that ``petrichor-train --help`` does not wait for TensorFlow.
"""
