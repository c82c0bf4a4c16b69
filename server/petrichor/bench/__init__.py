"""`petrichor bench`: what the running server does, measured from outside, by the sound that comes out.

Every figure is taken from a real `petrichor serve` in processes of its own, played over OSC and heard through the
stream protocol. The probe voices make it easy to hear what happens: a pure tone, whose level and pitch are controls.
"""
