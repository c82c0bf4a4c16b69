// The classes against a Petrichor server that has the voices rain and bird: a real one, or the one that pytest
// (tests/patches/test_sc_unit.py) makes of the same table. They change its sound and write a preset called unit-test.
//
//   LanguageConfig.addIncludePath("/path/to/patches/supercollider/ignore/tests"); // and recompile
//   TestPetrichor.port = 9000;
//   TestPetrichor.run;
TestPetrichor : UnitTest {
	classvar <>port = 9000;
	var p;

	setUp { p = Petrichor("127.0.0.1", port) }

	tearDown { p.free }

	// Wait until `condition` holds, and say whether it did.
	await { |condition, message, seconds = 3|
		var steps = seconds * 50;
		while { condition.value.not and: { steps > 0 } } { steps = steps - 1; 0.02.wait };
		this.assert(condition.value, message)
	}

	// What the server answers when it is asked for a value; nil where it does not.
	answer { |voice, parameter|
		var value, done = false;
		voice.ask(parameter, { |told| value = told; done = true }, 2, { done = true });
		this.await({ done }, "% is answered".format(voice.path(parameter)));
		^value
	}

	test_everyParameterReachesTheServer {
		(intensity: 0.25, truncation: 1.5, spread: 0.125, glide: 250, drift: 0.75, gain: -6, pan: -0.5).keysValuesDo {
			|parameter, value|
			p.rain.perform(parameter.asSetter, value);
			this.assertFloatEquals(this.answer(p.rain, parameter), value, "the server has %".format(parameter));
			this.assertFloatEquals(p.rain.perform(parameter), value, "% is known".format(parameter))
		};
		p.rain.glide = 0;
		p.rain.drift = 0;
		p.rain.direction(\brightness, 1.25);
		this.assertFloatEquals(this.answer(p.rain, 'direction/brightness'), 1.25, "the server has the direction");
		this.assertFloatEquals(p.rain.direction(\brightness), 1.25, "the direction is known");
		[\mute, \freeze].do { |parameter|
			p.rain.perform(parameter.asSetter, true);
			this.assertEquals(this.answer(p.rain, parameter), 1, "% is on".format(parameter));
			p.rain.perform(parameter.asSetter, false);
			this.assertEquals(this.answer(p.rain, parameter), 0, "% is off".format(parameter))
		};
		p.gain = -3;
		this.assertFloatEquals(this.answer(p.master, \gain), -3, "the master's gain");
		p.gain = 0
	}

	test_latent {
		var size = this.answer(p.rain, \latent).size;
		this.assert(size > 1, "a latent vector is answered as a whole");
		p.rain.latent = FloatArray.fill(size, 0.25);
		this.assertFloatEquals(this.answer(p.rain, 'latent/1'), 0.25, "all coordinates are set");
		p.rain.latentAt(1, -0.5);
		this.assertFloatEquals(this.answer(p.rain, 'latent/1'), -0.5, "one coordinate is set");
		this.assertArrayFloatEquals(p.rain.latent.keep(3), [0.25, -0.5, 0.25], "both are known")
	}

	test_askingForNothing {
		var missing = false, answered = false;
		p.rain.ask('direction/nowhere', { answered = true }, 0.2, { missing = true });
		this.await({ missing or: answered }, "asking ends");
		this.assert(missing and: answered.not, "what is not there is not answered")
	}

	test_valuesAreBroughtIntoTheirRange {
		p.rain.intensity = 7;
		this.assertFloatEquals(p.rain.intensity, 1, "a value above its range is known as its end");
		p.rain.gain = -100;
		this.assertFloatEquals(p.rain.gain, -60, "and one below it");
		this.assertFloatEquals(this.answer(p.rain, \gain), -60, "as the server has it");
		p.rain.gain = 0
	}

	test_onlyWhatCanBeIsSent {
		this.assertEquals(PetrichorVoice.arguments(\gain, 0.ampdb), [-60.0], "silence is the lowest gain");
		this.assertEquals(PetrichorVoice.arguments(\seed, 3e9), [2147483647], "seeds end");
		this.assertEquals(PetrichorVoice.arguments(\latent, [-9, 9]), [-3.0, 3.0], "so do latents")
	}

	test_specs {
		PetrichorVoice.specs.keysValuesDo { |parameter, spec|
			this.assert(spec.isKindOf(ControlSpec), "% has a Spec".format(parameter));
			this.assertFloatEquals(spec.map(0), spec.minval, "% begins at its low end".format(parameter));
			this.assertFloatEquals(spec.map(1), spec.maxval, "% ends at its high end".format(parameter));
			this.assert(spec.default.inclusivelyBetween(spec.minval, spec.maxval), "% has a default".format(parameter))
		};
		this.assert(PetrichorVoice.spec('direction/brightness') === PetrichorVoice.specs[\direction], "any direction");
		this.assert(PetrichorVoice.spec('latent/3') === PetrichorVoice.specs[\latent], "any coordinate")
	}

	test_whatTheServerTellsIsKept {
		var before, heard = Set.new, listener = { |voice, what| heard.add(what) };
		p.notify;
		this.await({ p.rain.intensity.notNil and: { p.rain.latent.notNil and: { p.bird.direction(\brightness).notNil } } },
			"every value is told at first");
		this.assertEquals(p.voices.keys, Set[\rain, \bird], "the server's voices are known");
		before = p.rain.latent;
		p.rain.addDependant(listener);
		p.rain.draw;
		this.await({ p.rain.latent != before }, "what the server changes is told");
		p.rain.intensity = 0.375;
		this.await({ p.rain.level.notNil and: { p.master.level.notNil } }, "levels are told");
		p.rain.removeDependant(listener);
		this.assert(heard.includes(\latent) and: { heard.includes(\intensity) }, "and dependants hear of it")
	}

	test_dependantsHearOfChangesOnly {
		var heard = List.new, listener = { |voice ... told| heard.add(told) };
		p.rain.addDependant(listener);
		2.do { p.rain.intensity = 0.3 };
		p.rain.told(\intensity, [0.300000012]); // as float32
		p.rain.direction(\density, 1);
		p.rain.mute = true;
		2.do { p.rain.mute = false };
		p.rain.removeDependant(listener);
		this.assertEquals(heard.asArray, [[\intensity, 0.3], [\direction, \density, 1.0], [\mute, true], [\mute, false]],
			"what stays as it was is not told")
	}

	test_everyVoiceAtOnce {
		p.rain; p.bird;
		p.send("/*/gain", -9);
		this.assertFloatEquals(p.rain.gain, -9, "what is sent to all voices is known of one");
		this.assertFloatEquals(p.bird.gain, -9, "and of the other");
		this.assertFloatEquals(this.answer(p.bird, \gain), -9, "as the server has it");
		p.send("/*/gain", 0)
	}

	test_whatBelongsToNoVoiceMakesNone {
		[['/preset/list.reply', \a], ['/done', '/preset/save'], ['/scene/list.reply', \a], ['/rain2/nonsense', 1], ['/status.reply']]
		.do { |message| p.hear(message) };
		this.assert(p.voices.isEmpty, "answers are no voices");
		p.hear(['/drizzle/loaded', \drizzle, \abc, 16, 48000]);
		this.assertEquals(p.voices.keys, Set[\drizzle], "what is loaded is one");
		this.assertEquals(p.voice(\drizzle).latentSize, 16, "with its latent size");
		p.hear(['/drizzle/unloaded', \drizzle]);
		this.assert(p.voice(\drizzle).loaded.not, "until it is unloaded")
	}

	test_whatIsToldOfIsLoaded {
		var heard = 0, listener = { |voice, what| (what == \loaded).if { heard = heard + 1 } };
		p.hear(['/drizzle/unloaded', \drizzle]);
		p.voice(\drizzle).addDependant(listener);
		p.hear(['/drizzle/level', -20, -30]);
		this.assert(p.voice(\drizzle).loaded.not, "a level may be its last");
		2.do { |index| p.hear(['/drizzle/gain', -3 - index]) };
		this.assert(p.voice(\drizzle).loaded, "a server that was started again has the voice again");
		this.assertEquals(heard, 1, "which is told once")
	}

	test_silenceIsShown {
		var heard = Set.new, listener = { |who, what, peak| (what == \level and: { peak == -120 }).if { heard.add(who.name) } };
		p.notify;
		this.await({ p.rain.level.notNil and: { p.master.level.notNil } }, "levels are told");
		[p.rain, p.master].do { |each| each.addDependant(listener) };
		p.instVarPut(\heard, Main.elapsedTime - 60);
		p.look;
		[p.rain, p.master].do { |each| each.removeDependant(listener) };
		this.assertEquals(heard, Set[\rain, \master], "meters fall where the server says nothing")
	}

	test_anotherOneEnds {
		var other = Petrichor("127.0.0.1", port), before;
		[p, other].do(_.notify);
		this.await({ p.rain.latent.notNil }, "the server tells");
		other.free;
		0.2.wait;
		before = p.silence;
		this.await({ p.silence < 0.15 }, "it tells the one that is left", 0.5);
		other = Petrichor("127.0.0.1", port);
		other.notify;
		other.notify(false);
		0.2.wait;
		this.await({ p.silence < 0.15 }, "also where another one wants no more", 0.5)
	}

	test_presets {
		var names, saved, there;
		p.notify;
		p.rain.intensity = 0.625;
		p.rain.direction(\brightness, -1);
		p.savePreset("unit-test", { |path| saved = path });
		this.await({ saved.notNil }, "a preset is saved");
		p.presets { |list| names = list };
		this.await({ names.notNil }, "presets are listed");
		this.assert(names.asArray.collect(_.asString).includesEqual("unit-test"), "with the one that was saved");
		p.rain.intensity = 0.125;
		p.rain.direction(\brightness, 1);
		p.loadPreset("unit-test", 0.2, { |name| there = name });
		this.await({ there.notNil }, "a preset is loaded");
		this.assertFloatEquals(p.rain.intensity, 0.625, "its intensity is told");
		this.assertFloatEquals(p.rain.direction(\brightness), -1, "and its direction")
	}

	test_presetsAreRemembered {
		var gui = p.gui;
		p.savePreset("another-test");
		this.await({ p.preset == "another-test" }, "the one that was saved");
		this.await({ gui.presetMenu.items.size > 0 and: { gui.presetMenu.item == "another-test" } }, "the menu shows it");
		p.savePreset("unit-test");
		this.await({ gui.presetMenu.item == "unit-test" }, "and the one after that");
		p.loadPreset("another-test");
		this.await({ gui.presetMenu.item == "another-test" }, "and the one that was loaded");
		gui.close
	}

	test_reset {
		var own, start, reset;
		p.notify;
		this.await({ p.rain.firstTold(\truncation).notNil and: { p.bird.direction(\brightness).notNil } }, "the server tells");
		own = p.rain.firstTold(\truncation);
		start = p.rain.firstTold(\seed);
		[p.rain, p.bird].do { |voice|
			(intensity: 0.1, truncation: 0.25, spread: 0.125, glide: 100, drift: 0.5, gain: -20, pan: 0.5, mute: true,
				freeze: true, seed: 77, 'direction/brightness': 1).keysValuesDo { |key, value| voice.put(key, value) }
		};
		p.gain = -12;
		p.reset;
		reset = p.rain.starts;
		this.assertEquals(reset.size, 10 + p.rain.directions.size, "all but the latent vector, which the seed draws");
		reset.keysValuesDo { |key, value|
			value = value.asFloat;
			[p.rain, p.bird].do { |voice|
				#[\truncation, \seed].includes(key).if { value = voice.firstTold(key).asFloat };
				this.assertFloatEquals(this.answer(voice, key).asFloat, value, "the server has % as at the start".format(key))
			}
		};
		this.assertEquals([reset[\truncation], reset[\seed]], [own, start], "what was told first is kept");
		this.assertFloatEquals(this.answer(p.master, \gain), 0, "the master too");
		p.rain.gain = -3;
		p.bird.gain = -3;
		p.rain.reset;
		this.assertEquals([this.answer(p.rain, \gain), this.answer(p.bird, \gain)], [0.0, -3.0], "one voice alone");
		p.reset(0.05);
		0.2.wait;
		this.assertFloatEquals(this.answer(p.bird, \gain), 0, "or ahead of time")
	}

	test_whatComesBackIsTold {
		var heard = 0, listener = { |voice, what| (what == \returned).if { heard = heard + 1 } };
		p.notify;
		this.await({ p.rain.latent.notNil }, "the server tells");
		p.rain.addDependant(listener);
		p.rain.lose;
		p.notify;
		this.await({ heard > 0 }, "a voice whose server was away returns");
		0.3.wait;
		p.rain.removeDependant(listener);
		this.assertEquals(heard, 1, "and once")
	}

	test_recording {
		p.record("unit-test-%.wav".format(Date.getDate.stamp));
		this.await({ p.recording.notNil }, "the server tells the path");
		p.cmdPeriod;
		this.await({ p.recording.isNil }, "Cmd-. ends it")
	}

	test_whetherItPlays {
		var server = Server(\nowhere, NetAddr("127.0.0.1", 57999)), other = Server(\elsewhere, NetAddr("127.0.0.1", 57998));
		this.assert(nil.isPlaying.not and: { p.isPlaying.not }, "not before play");
		p.play(server);
		p.play(other);
		this.assert(p.isPlaying, "from then on");
		ServerQuit.run(server);
		this.assert(p.isPlaying, "as long as one does");
		ServerQuit.run(other);
		this.assert(p.isPlaying.not, "until the last scsynth ends");
		p.play(server);
		this.assertEquals(p.streams.size, 1, "those that have ended are forgotten");
		p.streams[0].cmdPeriod;
		this.assert(p.isPlaying.not, "or Cmd-. ends it");
		[server, other].do { |each| Server.all.remove(each) }
	}

	test_eventsAreOrderedAndOfTheirOwn {
		var event = (type: \petrichor, intensity: 0.5, latent: [1, 2], seed: 3, glide: 100, foo: 1,
			'direction/brightness': 0.5);
		event.parent = Event.default.parent;
		this.assertEquals(PetrichorVoice.pairs(event).collect(_.first).asArray,
			[\glide, \seed, \latent, 'direction/brightness', \intensity],
			"its own parameters, in the order of sending, without the parent's pan")
	}

	test_eventsOfSeveralVoices {
		(type: \petrichor, voice: [p.rain, p.bird], intensity: [0.25, 0.75], pan: 0.5, latency: 0.05).play;
		this.assertFloatEquals(p.rain.intensity, 0.25, "the first voice takes the first value");
		this.assertFloatEquals(p.bird.intensity, 0.75, "the second the second");
		this.assertFloatEquals(p.bird.pan, 0.5, "one value is for all");
		0.15.wait;
		this.assertFloatEquals(this.answer(p.bird, \intensity), 0.75, "the server has it after the latency");
		this.assertException({ (type: \petrichor, intensity: 1).play }, Error, "an event needs a voice")
	}

	test_patterns {
		var player = p.rain.pbind(\intensity, Pseq([0.1, Rest(), 0.2, 0.3]), 'direction/density', -0.5, \dur, 0.05, \latency, 0.02).play;
		this.await({ player.isPlaying.not }, "a pattern ends");
		0.1.wait;
		this.assertFloatEquals(this.answer(p.rain, \intensity), 0.3, "with its last value");
		this.assertFloatEquals(this.answer(p.rain, 'direction/density'), -0.5, "and its direction")
	}

	test_streamsGoWhereTheyAreTold {
		var server = Server(\nowhere, NetAddr("127.0.0.1", 57999)), group = Group.basicNew(server, 1234);
		var stream = PetrichorStream(p.streamAddress, server, Bus(\audio, 6, 2, server), 99999, group, \addAfter);
		this.assertEquals([stream.out, stream.target, stream.addAction, stream.fill], [6, group, \addAfter, 16384],
			"a bus, a group, an addAction, and a fill within the ring");
		Server.all.remove(server)
	}

	test_streamsHoldThreeBlocks {
		var server = Server(\nowhere, NetAddr("127.0.0.1", 57999), ServerOptions.new.blockSize_(2048));
		this.assertEquals(PetrichorStream(p.streamAddress, server, 0, 4096).fill, 6144, "one is played, two are on their way");
		Server.all.remove(server)
	}

	test_aServerElsewhere {
		var remedy = { |host| PetrichorStream(NetAddr(host, 9001), Server.default).remedy };
		this.assert(remedy.("127.0.0.1").isNil, "nothing is wrong with a server here");
		this.assert(remedy.("192.168.1.9").contains("bindAddress"), "one elsewhere needs a scsynth that hears it")
	}

	test_stripsComeOneByOne {
		var gui;
		p.notify;
		this.await({ p.voices.size == 2 }, "the voices are told");
		gui = p.gui;
		this.assert(gui.strips.isEmpty, "the window is there first");
		this.await({ gui.strips.size == 1 }, "then a strip", 1);
		this.await({ gui.strips.size == 2 }, "and the next", 1);
		gui.close
	}

	test_window {
		var gui = p.gui, strip, spec = PetrichorVoice.spec(\intensity);
		this.await({ gui.strips.includesKey(\rain) and: { gui.strips.includesKey(\bird) } }, "a strip for every voice");
		strip = gui.strips[\rain];
		this.await({ strip.parts.includesKey('direction/brightness') }, "a slider for every direction");
		p.rain.intensity = 0.875;
		this.await({ spec.map(strip.parts[\intensity].value).equalWithPrecision(0.875, 0.01) }, "the fader follows");
		strip.parts[\gain].valueAction = PetrichorVoice.spec(\gain).unmap(-20);
		this.assertFloatEquals(p.rain.gain, -20, "a fader sets", 0.2);
		strip.parts[\mute].valueAction = 1;
		this.assertEquals(this.answer(p.rain, \mute), 1, "a switch sets");
		strip.parts[\mute].valueAction = 0;
		p.rain.gain = 0;
		PetrichorVoice.specs.keysDo { |parameter|
			(parameter == \direction).if { parameter = 'direction/brightness' };
			this.assert(strip.parts.includesKey(parameter), "the window has %".format(parameter))
		};
		(pan: "0.5 ", glide: "250 ms", drift: "0.75 ", spread: "0.25 ", truncation: "1.5 sd", 'direction/brightness': "1.5 sd")
		.keysValuesDo { |parameter, text|
			p.rain.put(parameter, text.asFloat);
			this.await({ strip.texts[parameter].string == text }, "% is shown with its unit".format(parameter))
		};
		p.rain.seed = 12;
		p.rain.freeze = true;
		this.await({ strip.parts[\seed].value == 12 and: { strip.parts[\freeze].value == 1 } }, "seed and freeze follow");
		strip.parts[\freeze].valueAction = 0;
		strip.parts[\seed].valueAction = 13;
		this.assertEquals([this.answer(p.rain, \freeze), this.answer(p.rain, \seed)], [0, 13], "and set");
		p.rain.latentAt(2, 1.5);
		this.await({ strip.parts[\latent].value.at(2).equalWithPrecision(0.75, 0.01) }, "the latent vector follows");
		p.reset;
		gui.close;
		this.await({ p.rain.dependants.isEmpty and: { p.dependants.isEmpty } }, "a closed window listens no more")
	}
}
