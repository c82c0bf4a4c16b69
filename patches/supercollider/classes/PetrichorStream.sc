// The sound of a Petrichor server in a scsynth.
//
// A player Synth reports what it has played (SendReply); sclang forwards that as /pull; the server answers scsynth
// itself: /b_setn into a ring buffer and /c_set of how far it is written. So scsynth's own clock paces the sound.
// scsynth must run on the machine that sclang runs on; /b_setn is not checked for loss.
PetrichorStream {
	classvar <ring = 32768, <modulus = 524288, <block = 128, <interval = 0.25, <>verbose = true;
	classvar hint = 4;   // after so many times that it has asked in vain it says what is missing
	classvar fadeIn = 0.01, fadeOut = 0.03; // seconds
	classvar patience = 0.5; // seconds in which a player that fades out has ended, if its scsynth is alive
	classvar lastId = 0;
	var <address, <server, <out, <fill, <target, <addAction;
	var <token, <rpos = 0, <wpos = 0, <underruns = 0;
	var id, buffer, bus, synth, responders, watch, idle, seen, unanswered = 0, hinted = false, stopping, ender;

	// `out`: a Bus or its number; `target`: a Group, a Synth or nil, the default group; `addAction`: as of a Synth.
	*new { |address, server, out = 0, fill = 4096, target, addAction = \addToHead|
		var least = max(512, 3 * (server.options.blockSize ? 64)); // one is played, one asked for, one on its way
		^super.newCopyArgs(address, server, out.asControlInput, fill.max(least).min(ring div: 2), target, addAction)
	}

	// Exact to the sample: the position counts in whole control blocks, BufRd reads at whole frames, and Select
	// (not a multiplication, which ramps) makes silence where nothing has come. What the server sends again, as it
	// takes it for lost, says less than what is written already: `wpos` never goes back, or `rpos` would pass it.
	// Envelopes are audio-rate and exactly 1 once they have risen.
	*synthDef {
		^SynthDef(\petrichorStream, { |out = 0, buffer, bus, start = 3072, id = 0, gate = 1|
			var frames = BlockSize.ir, told = In.kr(bus), every = (256 / BlockSize.ir).floor.max(1);
			var rpos, wpos, underruns, started, count, held, playing, sound;
			#rpos, wpos, underruns, started, count = LocalIn.kr(5);
			wpos = Select.kr((told - wpos + modulus) % modulus < (modulus / 2), [wpos, told]);
			held = (wpos - rpos + modulus) % modulus;
			started = (started + (held >= start)).min(1);
			playing = started * (held >= frames);
			LocalOut.kr([(rpos + (playing * frames)) % modulus, wpos, underruns + started - playing, started,
				(count + 1) % (every * 2)]);
			// Every 256 frames, or every block that is longer: two in turn, as a trigger has to fall before it rises again.
			[0, every].do { |turn| SendReply.kr(BinaryOpUGen('==', count, turn), '/petrichor/pull', [rpos, wpos, underruns], id) };
			sound = BufRd.ar(2, buffer, Phasor.ar(0, playing, 0, ring), 1, 1);
			sound = sound * EnvGen.ar(Env.asr(fadeIn, 1, 0, \lin), playing); // also after an underrun
			sound = sound * EnvGen.ar(Env([1, 1, 0], [0, fadeOut], \lin, 1), gate, doneAction: 2);
			Out.ar(out, Select.ar(playing, [DC.ar([0, 0]), sound]))
		})
	}

	connected { ^token.notNil }

	// Whether it is meant to sound: from play until free, which Cmd-. and the end of scsynth call too.
	isPlaying { ^stopping == false }

	// The server's address, to be read.
	place { ^"%:%".format(address.ip, address.port) }

	// Frames held ahead just now.
	held { ^(wpos - rpos) % modulus }

	play {
		(stopping == true).if { this.release };
		stopping = false;
		id = lastId = lastId + 1;
		idle = 3;
		CmdPeriod.add(this);
		ServerQuit.add(this, server);
		this.whenBooted(id)
	}

	// Until scsynth is there it may have been ended, and played anew.
	whenBooted { |number|
		server.doWhenBooted {
			(this.isPlaying and: { id == number }).if {
				this.class.synthDef.send(server);
				buffer = Buffer.alloc(server, ring, 2);
				bus = Bus.control(server, 1);
				server.sync;
				this.isPlaying.if { this.listen }
			}
		}
	}

	listen {
		responders = [
			OSCFunc({ |message| this.pull(*message[3..]) }, '/petrichor/pull', server.addr, argTemplate: [nil, id]),
			OSCFunc({ |message| this.subscribed(*message[1..]) }, '/subscribed', address),
			OSCFunc({ |message| this.expired(message[1]) }, '/expired', address),
			OSCFunc({ |message| "Petrichor: % %".format(*message[1..2]).warn }, '/fail', address)
		];
		responders.do(_.permanent_(true));
		// As in Pd: if nothing has come for a second, subscribe (again); the server may start later, or restart.
		watch = SkipJack({ this.look }, interval, { stopping }, "PetrichorStream", SystemClock, true)
	}

	look {
		idle = if(wpos == seen) { idle + 1 } { 0 };
		seen = wpos;
		(idle >= 4).if { this.subscribe }
	}

	subscribe {
		token !? { verbose.if {
			"Petrichor: no sound from %, subscribing again".format(this.place).postln;
			hinted.not.if { this.remedy !? { |text| hinted = true; text.postln } }
		} };
		unanswered = unanswered + 1;
		(verbose and: { unanswered == hint }).if {
			"Petrichor: nothing answers on %; start it in a terminal: petrichor serve".format(this.place).postln
		};
		idle = 2;
		token = nil;
		address.sendMsg("/subscribe", "scsynth", 2, block, fill, server.sampleRate.asInteger,
			server.addr.port, buffer.bufnum, ring, bus.index)
	}

	// What to do where the server has answered and no sound has come; nil where it is not known.
	remedy {
		^(address.ip.beginsWith("127.") or: { wpos > 0 }).not.if {
			"Petrichor: scsynth hears its own machine only; before it boots: s.options.bindAddress = \"0.0.0.0\""
		}
	}

	subscribed { |newToken, rate, channels, block, fill, port, bufnum|
		((port == server.addr.port) && (bufnum == buffer.bufnum)).if {
			var old = synth;
			token = newToken;
			unanswered = 0;
			rpos = wpos = underruns = 0;
			synth = Synth.basicNew(\petrichorStream, server);
			server.sendBundle(nil, *([
				old !? { old.freeMsg },
				bus.setMsg(0),
				synth.newMsg(target ?? { server.defaultGroup }, [
					out: out, buffer: buffer, bus: bus, start: fill * 0.75, id: id
				], addAction)
			].reject(_.isNil)));
			verbose.if { "Petrichor: connected to %, % Hz, fill %".format(this.place, rate, fill).postln }
		}
	}

	expired { |number|
		(number == token).if { this.subscribe }
	}

	pull { |newRpos, newWpos, newUnderruns|
		#rpos, wpos, underruns = [newRpos, newWpos, newUnderruns].collect(_.asInteger);
		token !? { address.sendMsg("/pull", token, rpos, wpos, underruns) }
	}

	cmdPeriod { this.free }
	doOnServerQuit { // perhaps it is only taken for dead
		this.end;
		synth !? { server.sendBundle(nil, ["/error", -1], synth.freeMsg) };
		this.release
	}

	// Fade out, for no longer than what is held will last. Buffer and bus are free once the player has ended.
	free {
		this.isPlaying.if {
			this.end;
			if(synth.isNil) { this.release } { this.fade }
		}
	}

	end {
		this.isPlaying.if {
			stopping = true;
			CmdPeriod.remove(this);
			watch !? { watch.stop };
			responders.do(_.free);
			token !? { address.sendMsg("/unsubscribe", token) };
			token = nil
		}
	}

	// Somebody else may have freed the player, or scsynth is dead and nobody has noticed: then it is not waited for.
	fade {
		var fading = synth, ended = { (synth === fading).if { this.release }; nil };
		ender = OSCFunc(ended, '/n_end', server.addr, argTemplate: [synth.nodeID]).permanent_(true);
		SystemClock.sched(patience, ended);
		server.sendBundle(nil, ["/error", -1], synth.releaseMsg(min(fadeOut, fill / 3 / server.sampleRate)))
	}

	release {
		ServerQuit.remove(this, server);
		ender !? { ender.free };
		buffer !? { buffer.free };
		bus !? { bus.free };
		synth = buffer = bus = ender = nil
	}
}
