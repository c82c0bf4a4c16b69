// The strip of one voice: every parameter with its name and unit, a level meter, and a slider for each direction that
// the voice names. It shows what the server has, whoever set it.
//
//   PetrichorStrip(p.rain).view    // a View, for windows of your own
PetrichorStrip {
	// Of a voice; the master has \gain only.
	classvar <shown = #[\intensity, \gain, \pan, \glide, \drift, \spread, \truncation, \seed, \new, \mute, \freeze,
		\direction, \latent];
	classvar <tips; // parameter → what it does, for the mouse that rests on it
	var <voice, <view, <parts, <texts;
	var controls, meter, directions, setting = false;

	*initClass {
		tips = (
			intensity: "Drizzle to downpour, a lone bird to a chorus",
			gain: "Level; -60 dB is silence",
			pan: "-1 left, 1 right",
			glide: "Time in which latent, directions and intensity reach a new value",
			drift: "A slow random walk around the latent vector",
			spread: "How far each clip strays from the latent vector; of clip voices only",
			truncation: "How far draws may go, in standard deviations; latents are clipped to it",
			seed: "The same seed, the same sound",
			new: "Draw a new latent vector, from a new seed",
			mute: "Silence",
			freeze: "Hold the latent vector where it is",
			direction: "A way through the latent space, in standard deviations",
			latent: "The latent vector, a bar for each coordinate: -3…3"
		)
	}

	*new { |voice, parameters|
		^super.newCopyArgs(voice).init(parameters ? shown)
	}

	// A level in dB as the meter's 0…1.
	*meterValue { |decibels| ^decibels.linlin(-60, 0, 0, 1) }

	init { |parameters|
		parts = IdentityDictionary.new; // parameter → its view
		texts = IdentityDictionary.new; // parameter → the number beside it
		controls = parameters;
		directions = VLayout().spacing_(2);
		meter = LevelIndicator().warning_(this.class.meterValue(-6)).critical_(this.class.meterValue(-1)).maxWidth_(14)
		.drawsPeak_(true).toolTip_("Level, -60…0 dBFS");
		view = View().layout_(VLayout(
			StaticText().string_(voice.name).align_(\center).font_(Font.sansSerif(16, true)),
			[HLayout(*(this.faders ++ [[meter, stretch: 0]])), stretch: 1],
			this.switches,
			VLayout(*this.rows).spacing_(2),
			8,
			directions,
			this.latent
		).margins_(2).spacing_(4));
		controls.includes(\pan).if { view.minWidth_(250) };
		voice.directions.keysValuesDo { |name, value| this.showDirection(name, value) };
		controls.do { |parameter| voice.get(parameter) !? { |value| this.show(parameter, value) } };
		voice.addDependant(this)
	}

	chosen { |parameters| ^parameters.select { |each| controls.includes(each) } }

	faders {
		^this.chosen(#[\intensity, \gain]).collect { |parameter|
			this.slider(parameter, \vertical).minHeight_(120).fixedWidth_(24);
			VLayout(StaticText().string_(parameter).align_(\center),
				[HLayout(nil, parts[parameter], nil), stretch: 1], texts[parameter].align_(\center))
		}
	}

	rows {
		^this.chosen(#[\pan, \glide, \drift, \spread, \truncation]).collect { |parameter| this.row(parameter, parameter) }
		++ this.chosen(#[\seed]).collect { this.seedRow }
	}

	// A name, a slider, and the value with its unit.
	row { |parameter, name|
		this.slider(parameter, \horizontal).maxHeight_(14);
		^HLayout(this.name(name, parameter), [parts[parameter], stretch: 1], texts[parameter].fixedWidth_(78))
	}

	name { |name, parameter|
		^StaticText().string_(name).fixedWidth_(92).toolTip_(tips[PetrichorVoice.row(parameter)])
	}

	slider { |parameter, orientation|
		var spec = PetrichorVoice.spec(parameter);
		parts[parameter] = Slider().orientation_(orientation).value_(spec.unmap(spec.default))
		.toolTip_(tips[PetrichorVoice.row(parameter)])
		.action_ { |slider| this.put(parameter, spec.map(slider.value)) };
		texts[parameter] = StaticText().align_(\right).string_(this.text(parameter, spec.default));
		^parts[parameter]
	}

	seedRow {
		parts[\seed] = NumberBox().decimals_(0).scroll_(false).clipLo_(0).clipHi_(PetrichorVoice.spec(\seed).maxval)
		.toolTip_(tips[\seed]).action_ { |box| this.put(\seed, box.value) };
		^HLayout(this.name(\seed, \seed), [parts[\seed], stretch: 1])
	}

	switches {
		this.chosen(#[\mute, \freeze]).do { |parameter, index|
			parts[parameter] = Button().toolTip_(tips[parameter])
			.states_([[parameter.asString], [parameter.asString, Color.white, [Color.red(0.7), Color.blue(0.7)][index]]])
			.action_ { |button| this.put(parameter, button.value) }
		};
		this.chosen(#[\new]).do { |parameter|
			parts[parameter] = Button().toolTip_(tips[parameter]).states_([[parameter.asString]]).action_ { voice.draw }
		};
		^HLayout(*this.chosen(#[\mute, \freeze, \new]).collect { |parameter| parts[parameter] })
	}

	latent {
		controls.includes(\latent).not.if { ^nil };
		parts[\latent] = MultiSliderView().elasticMode_(1).isFilled_(true).fillColor_(Color.gray(0.5)).fixedHeight_(44)
		.background_(Color.gray(0.78)).toolTip_(tips[\latent]).action_ { |bars|
			this.put(\latent, PetrichorVoice.spec(\latent).map(bars.value))
		};
		^HLayout(this.name(\latent, \latent), [parts[\latent], stretch: 1])
	}

	// Set a value without being told of it by our own voice: a fader that is being drawn would be fought over.
	put { |parameter, value|
		setting = true;
		voice.putNow(parameter, value);
		setting = false;
		this.label(parameter, value)
	}

	text { |parameter, value|
		^"% %".format(if(parameter == \glide) { value.round.asInteger } { value.round(0.01) },
			PetrichorVoice.spec(parameter).units)
	}

	label { |parameter, value| texts[parameter] !? { |text| text.string = this.text(parameter, value) } }

	// Show a value that was set elsewhere.
	show { |parameter, value|
		var part = parts[parameter];
		part !? {
			part.value = switch(parameter,
				\mute, { value.binaryValue },
				\freeze, { value.binaryValue },
				\seed, { value },
				{ PetrichorVoice.spec(parameter).unmap(value) }
			);
			this.label(parameter, value)
		}
	}

	// The slider of a direction; the first time it is put in its place among the others, by name.
	showDirection { |name, value|
		var key = "direction/%".format(name).asSymbol;
		parts[key] ?? {
			directions.insert(this.row(key, name),
				parts.keys.count { |other| other.asString.beginsWith("direction/") && (other.asString < key.asString) })
		};
		this.show(key, value)
	}

	// Called by the voice, on any thread.
	update { |who, what ... values|
		setting.not.if { defer { view.isClosed.not.if { this.updated(what, values) } } }
	}

	updated { |what, values|
		switch(what,
			\level, {
				meter.value = this.class.meterValue(values[1]);
				meter.peakLevel = this.class.meterValue(values[0])
			},
			\direction, { controls.includes(\direction).if { this.showDirection(*values) } },
			\unloaded, { view.visible = false },
			\loaded, { view.visible = true },
			{ this.show(what, values[0]) }
		)
	}

	release { voice.removeDependant(this) }
}
