// A window for a Petrichor: a strip for every voice, one for the master, and the presets. It shows what the server has,
// whoever set it, and takes every range from PetrichorVoice.specs.
//
//   PetrichorGui(p);    // or p.gui
PetrichorGui {
	var <petrichor, <window, <strips, <masterStrip, <presetName, <presetMenu, <presetTime;
	var row;

	*new { |petrichor, bounds|
		^super.newCopyArgs(petrichor).init(bounds)
	}

	init { |bounds|
		strips = IdentityDictionary.new;
		window = Window("Petrichor %:%".format(petrichor.address.ip, petrichor.address.port),
			bounds ? Rect(80, 200, 620, 560));
		row = HLayout().spacing_(12);
		masterStrip = PetrichorStrip(petrichor.master, #[\gain]);
		window.layout = VLayout(
			HLayout([row, stretch: 1], [masterStrip.view, stretch: 0]),
			this.presetRow
		);
		petrichor.voices.keys.asArray.sort.do { |name| this.add(petrichor.voices[name]) };
		petrichor.addDependant(this);
		window.onClose = { this.release };
		petrichor.following.not.if { petrichor.notify };
		this.listPresets;
		window.front
	}

	// A strip for a voice, unless it has one.
	add { |voice|
		(window.isClosed or: { strips.includesKey(voice.name) }).not.if {
			var strip = PetrichorStrip(voice);
			strips[voice.name] = strip;
			row.insert(strip.view, strips.size - 1, 1)
		}
	}

	presetRow {
		presetMenu = PopUpMenu().toolTip_("The presets on the server");
		presetTime = NumberBox().value_(4).clipLo_(0).clipHi_(3600).decimals_(1).maxWidth_(60)
		.toolTip_("Seconds to the preset");
		presetName = TextField().string_("scene").toolTip_("Name under which to save");
		^HLayout(
			StaticText().string_("Presets"),
			[presetMenu, stretch: 1],
			Button().states_([["load in"]]).action_ { this.loadPreset },
			presetTime,
			StaticText().string_("s"),
			20,
			[presetName, stretch: 1],
			Button().states_([["save"]]).action_ { this.savePreset }
		)
	}

	listPresets {
		petrichor.presets({ |names|
			defer { window.isClosed.not.if { presetMenu.items = names.collect(_.asString) } }
		}, missing: { })
	}

	loadPreset {
		presetMenu.item !? { |name| petrichor.loadPreset(name, presetTime.value) }
	}

	savePreset {
		petrichor.savePreset(presetName.string, { this.listPresets })
	}

	// Called by the Petrichor, on any thread.
	update { |who, what, voice|
		switch(what,
			\voice, { defer { this.add(voice) } },
			\freed, { defer { this.close } }
		)
	}

	release {
		petrichor.removeDependant(this);
		strips.do(_.release);
		masterStrip.release
	}

	close { window.isClosed.not.if { window.close } }

	// A picture of the window, as a PNG file.
	write { |path|
		var image = Image.fromWindow(window.view);
		image.write(path);
		image.free
	}
}


// The strip of one voice: faders and a meter, place, switches, and a slider for each direction that the voice has.
PetrichorStrip {
	classvar <shown = #[\intensity, \gain, \pan, \mute, \new, \direction]; // of a voice; the master has \gain only
	var <voice, <view, <parts, <texts;
	var controls, meter, directions, setting = false;

	*new { |voice, parameters|
		^super.newCopyArgs(voice).init(parameters ? shown)
	}

	// A level in dB as the meter's 0…1.
	*meterValue { |decibels| ^decibels.linlin(-60, 0, 0, 1) }

	init { |parameters|
		parts = IdentityDictionary.new; // parameter → its view
		texts = IdentityDictionary.new; // parameter → the number below it
		controls = parameters;
		directions = VLayout().spacing_(2);
		meter = LevelIndicator().warning_(this.class.meterValue(-6)).critical_(this.class.meterValue(-1)).maxWidth_(14)
		.drawsPeak_(true).toolTip_("Level");
		view = View().minWidth_(150).layout_(VLayout(
			StaticText().string_(voice.name).align_(\center).font_(Font.sansSerif(16, true)),
			[HLayout(*(this.faders ++ [[meter, stretch: 0]])), stretch: 1],
			this.switches,
			directions
		).margins_(2));
		voice.directions.keysValuesDo { |name, value| this.showDirection(name, value) };
		controls.do { |parameter| voice.get(parameter) !? { |value| this.show(parameter, value) } };
		voice.addDependant(this)
	}

	faders {
		^#[\intensity, \gain].select { |each| controls.includes(each) }.collect { |parameter|
			var spec = PetrichorVoice.spec(parameter);
			parts[parameter] = Slider().orientation_(\vertical).value_(spec.unmap(spec.default)).minHeight_(120)
			.action_ { |slider| this.put(parameter, spec.map(slider.value)) };
			texts[parameter] = StaticText().align_(\center).string_(this.text(parameter, spec.default));
			VLayout(StaticText().string_(parameter).align_(\center),
				[HLayout(nil, parts[parameter].fixedWidth_(24), nil), stretch: 1], texts[parameter])
		}
	}

	switches {
		var knob, mute, new, spec = PetrichorVoice.spec(\pan);
		controls.includes(\pan).not.if { ^nil };
		knob = Knob().centered_(true).value_(spec.unmap(spec.default)).fixedSize_(Size(36, 36)).toolTip_("Pan")
		.action_ { |knob| this.put(\pan, spec.map(knob.value)) };
		mute = Button().states_([["mute"], ["mute", Color.white, Color.red(0.7)]])
		.action_ { |button| this.put(\mute, button.value) };
		new = Button().states_([["new"]]).toolTip_("Draw a new latent vector").action_ { voice.draw };
		parts.putAll((pan: knob, mute: mute, new: new));
		^HLayout(knob, mute, new)
	}

	// Set a value without being told of it by our own voice: a fader that is being drawn would be fought over.
	put { |parameter, value|
		setting = true;
		voice.put(parameter, value);
		setting = false;
		this.label(parameter, value)
	}

	text { |parameter, value| ^"% %".format(value.round(0.01), PetrichorVoice.spec(parameter).units) }

	label { |parameter, value| texts[parameter] !? { |text| text.string = this.text(parameter, value) } }

	// Show a value that was set elsewhere.
	show { |parameter, value|
		var part = parts[parameter];
		part !? {
			part.value = if(parameter == \mute) { value.binaryValue } { PetrichorVoice.spec(parameter).unmap(value) };
			this.label(parameter, value)
		}
	}

	// The slider of a direction; the first time it is put in its place among the others, by name.
	showDirection { |name, value|
		var key = "direction/%".format(name).asSymbol, spec = PetrichorVoice.spec(\direction);
		parts[key] ?? {
			parts[key] = Slider().orientation_(\horizontal).maxHeight_(14)
			.action_ { |slider| this.put(key, spec.map(slider.value)) };
			directions.insert(HLayout(StaticText().string_(name).fixedWidth_(90), [parts[key], stretch: 1]),
				parts.keys.count { |other| other.asString.beginsWith("direction/") && (other.asString < key.asString) })
		};
		parts[key].value = spec.unmap(value)
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
