// A Petrichor server seen from sclang: its voices, its sound, its answers.
//
//   p = Petrichor.new;                  // 127.0.0.1, port 9000
//   p.play(s);                          // hear the mix
//   p.bird.intensity = 0.8;
//   p.free;
Petrichor {
	var <address;        // NetAddr: control messages
	var <streamAddress;  // NetAddr: the sound, by default the control port + 1
	var <streams;        // List of PetrichorStream
	var <>latency;       // seconds ahead that controls are sent with a timetag, as s.latency; nil: at once
	var voices, responders, keyResponder;

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
		voices = IdentityDictionary.new;
		responders = [
			OSCFunc({ |message| "Petrichor: % %".format(*message[1..2]).warn }, '/fail', address)
		];
		responders.do(_.permanent_(true));
	}

	// A voice by the name of its file without .voice.
	voice { |name|
		^voices.atFail(name.asSymbol) {
			var voice = PetrichorVoice(name, this);
			voices[name.asSymbol] = voice;
			voice
		}
	}

	bird { ^this.voice(\bird) }
	rain { ^this.voice(\rain) }

	// Play the mix in a booted scsynth on the same machine as sclang; two channels from bus `out` on.
	// `fill`: frames held ahead, 512…16384; fewer = sooner, more = safer. Returns a PetrichorStream.
	play { |server, out = 0, fill = 4096, target|
		var stream = PetrichorStream(streamAddress, server ? Server.default, out, fill, target);
		streams.add(stream);
		^stream.play
	}

	stop {
		streams.do(_.free);
		streams.clear
	}

	// Any control message, as in send("/*/gain", -6). With a latency it acts at its sample, exact in time.
	send { |path ... arguments|
		latency.isNil.if { address.sendMsg(path, *arguments) } { address.sendBundle(latency, [path] ++ arguments) }
	}

	// Several messages that act on the same sample: bundle(0.2, ["/bird/seed", 7], ["/rain/intensity", 0.1]).
	bundle { |time ... messages|
		address.sendBundle(time, *messages)
	}

	// Forget everything that was sent ahead and has not acted yet.
	clearSched { address.sendMsg("/clearSched") }

	// Tell the server what time it is here, for timetags from another machine: its clock may be off. Calls `action` with
	// the milliseconds that this clock is behind the server's.
	clock { |action, times = 5|
		times.do { |index| SystemClock.sched(index * 0.05, { address.sendBundle(0, ["/clock"]); nil }) };
		action !? { this.ask('/clock.reply', nil, { |message| action.value(message[1]) }) }
	}

	gain_ { |decibels| this.send("/master/gain", decibels.asFloat) }

	// Record the mix into a file of the server's recordings folder.
	record { |name| address.sendMsg("/record", name.asString) }
	stopRecording { address.sendMsg("/record") }

	// Let the server tell of what it does (levels, loads, failures, late bundles) until notify(false). A server on
	// another machine asks for a key first, which is sent back.
	notify { |on = true|
		keyResponder = keyResponder ?? {
			OSCFunc({ |message| address.sendMsg("/notify", 1, message[1]) }, '/key', address).permanent_(true)
		};
		address.sendMsg("/notify", on.binaryValue)
	}

	// Call `action` once the server has acted on everything sent before; or `missing` after `timeout` seconds.
	sync { |action, timeout = 2, missing|
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

	free {
		this.stop;
		keyResponder !? { keyResponder.free };
		responders.do(_.free)
	}
}
