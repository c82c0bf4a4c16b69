// A window for a Petrichor: a strip for every voice, one for the master, and the presets. It shows what the server has,
// whoever set it, and takes every range from PetrichorVoice.specs.
//
//   PetrichorGui(p);    // or p.gui
PetrichorGui {
	classvar pause = 0.05; // seconds between two strips
	var <petrichor, <window, <strips, <masterStrip, <presetName, <presetMenu, <presetTime;
	var row, waiting;

	*new { |petrichor, bounds|
		^super.newCopyArgs(petrichor).init(bounds)
	}

	init { |bounds|
		strips = IdentityDictionary.new;
		waiting = List.new;
		window = Window("Petrichor %:%".format(petrichor.address.ip, petrichor.address.port),
			bounds ? Rect(80, 60, 760, 640));
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

	// A strip for a voice, unless it has one: soon, and one by one, as the sound waits while a strip is built.
	add { |voice|
		(strips.includesKey(voice.name) or: { waiting.includes(voice) }).not.if {
			waiting.add(voice);
			(waiting.size == 1).if {
				SkipJack({ this.build(waiting.removeAt(0)) }, pause, { waiting.isEmpty or: { window.isClosed } },
					"PetrichorGui", AppClock) // lives on after Cmd-.
			}
		}
	}

	build { |voice|
		var strip = PetrichorStrip(voice);
		strips[voice.name] = strip;
		row.insert(strip.view, strips.size - 1, 1)
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

	// Ask for the presets; the menu shows the one that was saved or loaded last, from wherever in sclang that was.
	listPresets {
		petrichor.presets({ |names|
			defer { window.isClosed.not.if { this.showPresets(names.collect(_.asString).asArray) } }
		}, missing: { })
	}

	showPresets { |names|
		var chosen = petrichor.preset ?? { this.chosenPreset };
		presetMenu.items = names;
		presetMenu.value = names.indexOfEqual(chosen) ? 0
	}

	chosenPreset { ^(presetMenu.items.size > 0).if { presetMenu.item } } // an empty menu has no item to ask for

	loadPreset {
		this.chosenPreset !? { |name| petrichor.loadPreset(name, presetTime.value) }
	}

	savePreset {
		petrichor.savePreset(presetName.string)
	}

	// Called by the Petrichor, on any thread.
	update { |who, what, voice|
		switch(what,
			\voice, { defer { this.add(voice) } },
			\preset, { this.listPresets },
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

