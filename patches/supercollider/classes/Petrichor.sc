// A Petrichor server seen from sclang: its voices, its sound, its answers.
//
//   p = Petrichor.new;                  // 127.0.0.1, port 9000
//   p.play(s);                          // hear the mix
//   p.bird.intensity = 0.8;
//   p.gui;
//   p.free;
//
// Dependants hear of new voices: update(petrichor, \voice, a PetrichorVoice); \preset, name; \recording, path, seconds.
Petrichor {
	classvar longest = 2; // seconds without a word, after which the server is taken to have ended
	classvar followers;  // those whom the server tells: it knows all of one sclang by the same port
	var <address;        // NetAddr: control messages
	var <streamAddress;  // NetAddr: the sound, by default the control port + 1
	var <streams;        // List of PetrichorStream
	var <>latency;       // seconds ahead that controls are sent with a timetag, as s.latency; nil: at once
	var <voices;         // name → PetrichorVoice: those asked for, and after p.notify all that the server has
	var <master;         // a PetrichorVoice that has only gain and level
	var <following = false; // whether the server tells of every change
	var <preset;         // the name of the one that was saved or loaded last, here
	var <recording;      // the path of the file that the server records into, as it has told; nil where none
	var responders, keyResponder, hearer, watch, heard = 0;
	var ahead;           // IdentitySet: addresses of what was sent ahead

	*initClass { followers = IdentitySet.new }

	*new { |host = "127.0.0.1", port = 9000, streamPort|
		^super.new.init(host, port, streamPort ?? { port + 1 })
	}

	// What /status.reply begins with; the README says what it means.
	*statusKeys {
		^#[\version, \rate, \streamPort, \subscribers, \underruns, \recording, \device, \deviceRate, \jumps,
			\concealed, \restarts, \waiting, \clock, \refused]
	}

	init { |host, port, streamPort|
		address = NetAddr(host, port);
		streamAddress = NetAddr(host, streamPort);
		streams = List.new;
		ahead = IdentitySet.new;
		voices = IdentityDictionary.new;
		master = PetrichorVoice(\master, this);
		hearer = { |message, time, sender|
			((sender.port == address.port) && (sender.addr == address.addr)).if { this.hear(message) }
		};
		thisProcess.addOSCRecvFunc(hearer);
		responders = [
			OSCFunc({ |message| this.failed(*message[1..2]) }, '/fail', address),
			OSCFunc({ |message| this.recorded(*message[2..3]) }, '/done', address, argTemplate: ['/record']),
			OSCFunc({ |message|
				this.chose(PathName(message[2].asString).fileNameWithoutExtension)
			}, '/done', address, argTemplate: ['/preset/save']),
			OSCFunc({ |message| this.chose(message[2].asString) }, '/done', address, argTemplate: ['/preset/load'])
		];
		responders.do(_.permanent_(true));
	}

	// A voice by the name of its file without .voice.
	voice { |name|
		^voices.atFail(name.asSymbol) {
			var voice = PetrichorVoice(name, this);
			voices[name.asSymbol] = voice;
			this.changed(\voice, voice);
			voice
		}
	}

	bird { ^this.voice(\bird) }
	rain { ^this.voice(\rain) }

	// Play the mix in a booted scsynth on the same machine as sclang; two channels from bus `out` on.
	// `fill`: frames held ahead, 512…16384; fewer = sooner, more = safer. `out`: a Bus or its number; `target` and
	// `addAction`: where the player goes, as a Synth. Returns a PetrichorStream.
	play { |server, out = 0, fill = 4096, target, addAction = \addToHead|
		var stream = PetrichorStream(streamAddress, server ? Server.default, out, fill, target, addAction);
		streams = streams.select(_.isPlaying).add(stream);
		following.not.if { this.notify };
		^stream.play
	}

	// Whether it is played in a scsynth; no more after stop, Cmd-. or the end of that scsynth, until it is played again.
	isPlaying { ^streams.any(_.isPlaying) }

	stop {
		streams.do(_.free);
		streams.clear
	}

	// Every value of every voice, and the master's gain, as at the start (PetrichorVoice.starts), on the same sample:
	// at once, or so many seconds from now, after all that was sent ahead.
	reset { |time|
		var messages = voices.values.select { |voice| voice.loaded and: { following.not or: { voice.firstTold(\truncation).notNil } } }
		.add(master).collect(_.startMessages).flatten;
		this.bundle(time ? latency, *messages)
	}

	// Any control message, as in send("/*/gain", -6). With a latency it acts at its sample, exact in time.
	send { |path ... arguments|
		latency.isNil.if { address.sendMsg(path, *arguments) } { address.sendBundle(latency, [path] ++ arguments) };
		this.sent(latency, path, arguments)
	}

	// Several messages that act on the same sample: bundle(0.2, ["/bird/seed", 7], ["/rain/intensity", 0.1]).
	bundle { |time ... messages|
		address.sendBundle(time, *messages);
		messages.do { |message| this.sent(time, message[0], message.drop(1)) }
	}

	// Forget everything that was sent ahead and has not acted yet; the server is asked for the values that it has.
	clearSched {
		address.sendMsg("/clearSched");
		ahead.do { |path|
			var who, parameter;
			#who, parameter = this.meant(path);
			who.do { |voice| voice.check(parameter) }
		};
		ahead.clear
	}

	// Tell the server what time it is here, for timetags from another machine: its clock may be off. Calls `action` with
	// the milliseconds that this clock is behind the server's.
	clock { |action, times = 5|
		times.do { |index| SystemClock.sched(index * 0.05, { address.sendBundle(0, ["/clock"]); nil }) };
		action !? { this.ask('/clock.reply', nil, { |message| action.value(message[1]) }) }
	}

	// dB, -60…12: the level of everything.
	gain { ^master.gain }
	gain_ { |decibels| master.gain = decibels }

	// Record the mix into a file of the server's recordings folder: .wav or .flac, and a new name, as nothing is
	// overwritten; `duration` seconds of it, or all until stopRecording. What the server answers is posted. Cmd-. ends it,
	// as that of a Server.
	record { |name, duration|
		CmdPeriod.add(this);
		address.sendMsg("/record", name.asString, *duration.asArray)
	}

	stopRecording {
		CmdPeriod.remove(this);
		address.sendMsg("/record")
	}

	cmdPeriod { recording.notNil.if { this.stopRecording } { CmdPeriod.remove(this) } }

	// The server records into `path`; or has done so, for so many seconds.
	recorded { |path, seconds|
		recording = seconds.isNil.if { path };
		seconds.isNil.if {
			"Petrichor: recording into %".format(path).postln
		} {
			"Petrichor: recorded % s into %".format(seconds.round(0.1), path).postln
		};
		this.changed(\recording, path, seconds)
	}

	chose { |name|
		preset = name;
		this.changed(\preset, name)
	}

	// Let the server tell of every value, now and whenever it changes, and of what it does (levels, loads, failures, late
	// bundles) until notify(false); also of a server that is started later, or again. A server on another machine asks
	// for a key first, which is sent back.
	notify { |on = true|
		keyResponder = keyResponder ?? {
			OSCFunc({ |message| address.sendMsg("/notify", 1, message[1]) }, '/key', address).permanent_(true)
		};
		following = on;
		heard = Main.elapsedTime;
		if(on) { followers.add(this) } { followers.remove(this) };
		(on or: { this.othersFollow.not }).if { address.sendMsg("/notify", on.binaryValue) };
		on.if {
			watch = watch ?? { SkipJack({ this.look }, 1, { false }, "Petrichor", SystemClock, true) }
		} {
			watch !? { watch.stop };
			watch = nil
		}
	}

	// Whether another one here listens to the same server, which a "/notify 0" from their common port would silence.
	othersFollow { ^followers.any { |other| other.address == address } }

	// Levels come ten times a second: where nothing comes, the server has ended, or forgotten who listens.
	look {
		(this.silence > longest).if {
			voices.do { |voice| voice.told(\level, #[-120, -120]) };
			master.told(\level, #[-120, -120, 0]);
			address.sendMsg("/notify", 1)
		}
	}

	silence { ^Main.elapsedTime - heard }

	// Write every value of every voice into a preset on the server. Calls `action` with its path once that is done.
	savePreset { |name, action|
		action !? { this.ask('/done', ['/preset/save'], { |message| action.value(message[2]) }) };
		address.sendMsg("/preset/save", name.asString)
	}

	// Go to what a preset says, in so many seconds. Calls `action` once it is there, and the last values are told.
	loadPreset { |name, seconds = 0, action|
		action !? {
			this.ask('/done', ['/preset/load'], { SystemClock.sched(0.1, { action.value(name); nil }) }, seconds + 10)
		};
		address.sendMsg("/preset/load", name.asString, seconds * 1000.0)
	}

	// Calls `action` with the names of all presets.
	presets { |action, timeout = 2, missing|
		this.ask('/preset/list.reply', nil, { |message| action.value(message.drop(1)) }, timeout, missing);
		address.sendMsg("/preset/list")
	}

	// A window with a strip for every voice, the master and the presets.
	gui { ^PetrichorGui(this) }

	// Call `action` once the server has acted on everything sent before; or `missing` after `timeout` seconds.
	sync { |action, timeout = 10, missing|
		var number = 0x7fffff.rand;
		this.ask('/synced', [number], { action.value }, timeout, missing);
		address.sendMsg("/sync", number)
	}

	// Ask for the server's state: an Event with the keys of *statusKeys, and voices.
	status { |action, timeout = 2, missing|
		this.ask('/status.reply', nil, { |message|
			var keys = this.class.statusKeys, state = ();
			keys.do { |key, index| state[key] = message[index + 1] };
			state[\voices] = message[keys.size + 2 ..].clump(3).collect { |voice|
				(name: voice[0], state: voice[1], latentSize: voice[2])
			};
			action.value(state)
		}, timeout, missing);
		address.sendMsg("/status")
	}

	// Wait for one answer.
	ask { |path, template, action, timeout, missing|
		var answered = false;
		var responder = OSCFunc({ |message| answered = true; action.value(message) },
			path, address, argTemplate: template).oneShot;
		SystemClock.sched(timeout, {
			answered.not.if {
				responder.free;
				missing !? { missing.value } ?? { "Petrichor: no % from %:%".format(path, address.ip, address.port).warn }
			};
			nil
		})
	}

	// What the server says: /rain/intensity 0.5, /rain/level -20 -31, /clamped /rain/intensity 1, …
	hear { |message|
		var name, parameter;
		(following and: { this.silence > longest }).if { voices.do(_.lose) };
		heard = Main.elapsedTime;
		(message[0] == '/clamped').if { message = message.drop(1) };
		#name, parameter = this.parts(message[0]);
		parameter !? {
			case
			{ name == \master } { master.told(parameter, message.drop(1)) }
			{ PetrichorVoice.knows(parameter) && #[\preset, \scene, \device, \audio].includes(name).not } {
				this.voice(name).toldByServer(parameter, message.drop(1))
			}
		}
	}

	// What was sent is known without being told.
	sent { |time, path, arguments|
		var who, parameter;
		#who, parameter = this.meant(path);
		time !? { ahead.add(path.asSymbol) };
		who.do { |voice| voice.sent(parameter, arguments) }
	}

	// The server has refused a message. What a voice was thought to have is asked for; that this is refused is no news.
	failed { |path, reason|
		var who, parameter;
		#who, parameter = this.meant(path);
		who.any { |voice| voice.doubts(parameter) }.not.if { "Petrichor: % %".format(path, reason).warn };
		who.do { |voice| voice.refused(parameter) }
	}

	// The voices and the parameter that an address means; they may be several: /*/gain.
	meant { |path|
		var name, parameter;
		#name, parameter = this.parts(path);
		^[
			case
			{ parameter.isNil } { [] }
			{ name == \master } { [master] }
			{ voices.includesKey(name) } { [voices[name]] }
			{ voices.values.select { |voice| voice.name.matchOSCAddressPattern(name) } },
			parameter
		]
	}

	// [\rain, 'direction/brightness'] of "/rain/direction/brightness"; [nil, nil] of what belongs to no voice.
	parts { |path|
		var slash = (path = path.asString).find("/", offset: 1);
		^slash.isNil.if([nil, nil]) { [path[1..slash - 1].asSymbol, path[slash + 1..].asSymbol] }
	}

	free {
		this.stop;
		recording !? { this.stopRecording };
		following.if { this.notify(false) };
		thisProcess.removeOSCRecvFunc(hearer);
		CmdPeriod.remove(this);
		this.changed(\freed);
		keyResponder !? { keyResponder.free };
		responders.do(_.free)
	}
}
