// The controls of one voice. What was sent last can be read back; ranges are the server's to keep.
PetrichorVoice {
	var <name, <petrichor;
	var <intensity, <truncation, <spread, <seed, <latent, <gain, <pan, <mute;

	*new { |name, petrichor|
		^super.newCopyArgs(name.asSymbol, petrichor)
	}

	address { ^petrichor.address }

	// Any parameter, as in set(\intensity, 0.3).
	set { |parameter ... values|
		petrichor.send("/%/%".format(name, parameter), *values)
	}

	// 0…1: a lone bird to a dawn chorus, drizzle to downpour.
	intensity_ { |value| intensity = value; this.set(\intensity, value.asFloat) }

	// 0…3: how far from the middle of what it learned the voice may go.
	truncation_ { |value| truncation = value; this.set(\truncation, value.asFloat) }

	// 0…1: how far each clip strays from the latent.
	spread_ { |value| spread = value; this.set(\spread, value.asFloat) }

	// An integer: the same seed, the same sound.
	seed_ { |value| seed = value; this.set(\seed, value.asInteger) }

	// Draw a new latent at once.
	draw { this.set(\new) }

	// The whole latent vector; any collection of numbers (sendMsg would drop a FloatArray in silence).
	latent_ { |values|
		latent = values.asArray.collect(_.asFloat);
		this.set(\latent, *latent)
	}

	// One coordinate of it.
	latentAt { |index, value| this.set("latent/%".format(index.asInteger), value.asFloat) }

	// dB, -60…12.
	gain_ { |value| gain = value; this.set(\gain, value.asFloat) }

	// -1 left … 1 right.
	pan_ { |value| pan = value; this.set(\pan, value.asFloat) }

	mute_ { |value| mute = value; this.set(\mute, value.binaryValue) }

	// Play another voice file of the server's folder under this name.
	load { |file| this.address.sendMsg("/%/load".format(name), file.asString) }

	// Fade it out and forget it.
	unload { this.address.sendMsg("/%/unload".format(name)) }
}
