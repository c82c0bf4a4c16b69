// The controls of one voice, and what is known of it: what was sent last, and what the server has told since.
//
//   p.rain.intensity = 0.8;
//   p.rain.direction(\brightness, 1);
//   p.rain.intensity.postln;                                        // after p.notify: what the server has
//   p.rain.pbind(\intensity, Pwhite(0.2, 0.9), \dur, 0.5).play;      // exact in time
//
// Whatever is set or told, dependants hear of: update(voice, \intensity, 0.8).
PetrichorVoice {
	classvar <specs;     // Symbol → ControlSpec: the ranges of the server's table; \latent is one coordinate
	// Of what comes in one bundle, that which says how a value is reached comes before the value.
	classvar <order = #[\glide, \truncation, \spread, \drift, \seed, \new, \latent, \direction, \freeze,
		\intensity, \gain, \pan, \mute];
	classvar firsts;     // what every server first told of a voice's own seed and truncation, as long as sclang runs
	var <name, <petrichor;
	var <state, <directions, <level, <loaded = true, <version, <rate, latentSize, lost = false;
	var doubted;         // what the server was asked for, as what was sent last may not be what it has

	*initClass {
		Class.initClassTree(Spec);
		Class.initClassTree(Event);
		firsts = IdentityDictionary.new;
		specs = IdentityDictionary[
			\latent -> ControlSpec(-3, 3, \lin, 0, 0),
			\seed -> ControlSpec(0, 2147483647, \lin, 1, 0),
			\direction -> ControlSpec(-3, 3, \lin, 0, 0, "sd"), // standard deviations
			\glide -> ControlSpec(0, 60000, 4, 0, 0, "ms"),
			\drift -> ControlSpec(0, 1, \lin, 0, 0),
			\freeze -> ControlSpec(0, 1, \lin, 1, 0),
			\truncation -> ControlSpec(0, 3, \lin, 0, 2, "sd"),
			\intensity -> ControlSpec(0, 1, \lin, 0, 0.5),
			\spread -> ControlSpec(0, 1, \lin, 0, 0.6),
			\gain -> ControlSpec(-60, 12, \lin, 0, 0, "dB"),
			\pan -> ControlSpec(-1, 1, \lin, 0, 0),
			\mute -> ControlSpec(0, 1, \lin, 1, 0)
		];
		Event.addEventType(\petrichor, { |server| PetrichorVoice.playEvent(currentEnvironment, server) })
	}

	*new { |name, petrichor|
		^super.newCopyArgs(name.asSymbol, petrichor).init
	}

	// The ControlSpec of a parameter: \intensity, 'direction/brightness', 'latent/3'.
	*spec { |parameter| ^specs[this.row(parameter)] }

	// \direction for 'direction/brightness', \latent for 'latent/3'.
	*row { |parameter| ^parameter.asString.split($/).first.asSymbol }

	// Whether the server tells that of a voice: parameters, levels, and what happens to it.
	*knows { |parameter|
		^specs.includesKey(this.row(parameter)) or: { #[\level, \loaded, \unloaded, \failed, \gone].includes(parameter) }
	}

	// The arguments that a parameter's message takes, as numbers of OSC within its range: the server refuses -inf dB.
	*arguments { |parameter, value|
		var row = this.row(parameter), spec = specs[row];
		^switch(row,
			\new, { [] },
			\seed, { [value.clip(spec.clipLo, spec.clipHi).asInteger] },
			\mute, { [this.truth(value).binaryValue] },
			\freeze, { [this.truth(value).binaryValue] },
			{ // an Array: sendMsg would drop a FloatArray in silence
				value.asArray.collect { |each|
					spec.isNil.if { each.asFloat } { each.asFloat.clip(spec.clipLo, spec.clipHi).asFloat }
				}
			}
		)
	}

	*truth { |value| ^if(value.isNumber) { value != 0 } { value } }

	init {
		state = IdentityDictionary.new;
		directions = IdentityDictionary.new;
		doubted = IdentitySet.new
	}

	address { ^petrichor.address }

	path { |parameter| ^"/%/%".format(name, parameter) }

	// Any message of this voice, as in set(\intensity, 0.3).
	set { |parameter ... values|
		petrichor.send(this.path(parameter), *values)
	}

	// The same with the value made what the parameter takes: put('direction/brightness', 1), put(\mute, true).
	put { |parameter, value|
		this.set(parameter, *this.class.arguments(parameter, value))
	}

	// The same at once, whatever the Petrichor's latency: a fader under the hand sends nothing ahead.
	putNow { |parameter, value|
		petrichor.bundle(nil, [this.path(parameter)] ++ this.class.arguments(parameter, value))
	}

	// What is known of a parameter; nil where nothing was sent or told yet.
	get { |parameter|
		var first, last;
		#first, last = parameter.asString.split($/);
		^case
		{ first == "direction" } { directions[last.asSymbol] }
		{ last.notNil } { state[\latent] !? (_.at(last.asInteger)) }
		{ state[parameter.asSymbol] }
	}

	// Ask the server for a value: ask(\intensity, { |value| value.postln }); `missing` after `timeout` seconds.
	ask { |parameter, action, timeout = 2, missing|
		var path = this.path(parameter);
		petrichor.ask(path.asSymbol, nil, { |message|
			action.value(if(parameter.asSymbol == \latent) { message.drop(1) } { message[1] })
		}, timeout, missing);
		this.address.sendMsg(path, "?")
	}

	// 0…1: a lone bird to a dawn chorus, drizzle to downpour.
	intensity { ^state[\intensity] }
	intensity_ { |value| this.put(\intensity, value) }

	// 0…3: how far from the middle of what it learned the voice may go.
	truncation { ^state[\truncation] }
	truncation_ { |value| this.put(\truncation, value) }

	// 0…1: how far each clip strays from the latent.
	spread { ^state[\spread] }
	spread_ { |value| this.put(\spread, value) }

	// An integer: the same seed, the same sound.
	seed { ^state[\seed] }
	seed_ { |value| this.put(\seed, value) }

	// Draw a new latent at once.
	draw { this.set(\new) }

	// The whole latent vector; any collection of numbers.
	latent { ^state[\latent] }
	latent_ { |values| this.put(\latent, values) }

	// One coordinate of it.
	latentAt { |index, value| this.put("latent/%".format(index.asInteger), value) }

	// How many coordinates the latent vector has; nil until the server has told.
	latentSize { ^latentSize ?? { state[\latent] !? (_.size) } }

	// -3…3 along a direction that the voice names; without a value: what is known of it.
	direction { |direction, value|
		^if(value.isNil) { directions[direction.asSymbol] } { this.put("direction/%".format(direction), value) }
	}

	// Milliseconds, 0…60000, in which latent, directions and intensity reach a new value.
	glide { ^state[\glide] }
	glide_ { |milliseconds| this.put(\glide, milliseconds) }

	// 0…1: a slow random walk around the latent vector.
	drift { ^state[\drift] }
	drift_ { |value| this.put(\drift, value) }

	// true holds the latent vector where it is.
	freeze { ^state[\freeze] }
	freeze_ { |value| this.put(\freeze, value) }

	// dB, -60…12.
	gain { ^state[\gain] }
	gain_ { |value| this.put(\gain, value) }

	// -1 left … 1 right.
	pan { ^state[\pan] }
	pan_ { |value| this.put(\pan, value) }

	mute { ^state[\mute] }
	mute_ { |value| this.put(\mute, value) }

	// Every parameter as at the start, on the same sample: at once, or so many seconds from now.
	reset { |time| petrichor.bundle(time ? petrichor.latency, *this.startMessages) }

	// The values that a voice begins with: the Specs' defaults, every direction in the middle; truncation and seed are
	// the voice's own, and taken from what the server told first, as it has no other word for them.
	starts {
		var starts;
		(name == \master).if { ^(gain: specs[\gain].default) };
		starts = specs.collect(_.default);
		#[\latent, \direction].do { |each| starts.removeAt(each) };
		#[\truncation, \seed].do { |each| starts[each] = this.firstTold(each) };
		directions.keysDo { |direction| starts["direction/%".format(direction).asSymbol] = 0 };
		^starts
	}

	startMessages { ^this.messages(this.class.pairs(this.starts), 0) }

	// What the server first told of \truncation or \seed since sclang has run; nil where it told nothing.
	firstTold { |parameter| ^firsts[this.place(parameter)] }

	// The server was away, and may come back with other values: once it has told them, dependants hear \returned.
	lose { lost = true }

	toldByServer { |parameter, values|
		#[\truncation, \seed].includes(parameter).if {
			firsts[this.place(parameter)] = this.firstTold(parameter) ? values[0]
		};
		doubted.remove(parameter);
		(loaded.not and: { specs.includesKey(this.class.row(parameter)) }).if { // a server that was started again has it
			loaded = true;
			this.changed(\loaded, name)
		};
		this.told(parameter, values);
		(lost and: { specs.includesKey(this.class.row(parameter)) }).if {
			lost = false;
			SystemClock.sched(0.2, { this.changed(\returned); nil }) // all of them come at once
		}
	}

	// What was sent is taken for what the server has; where it was just asked for that it has to be asked again.
	sent { |parameter, values|
		this.told(parameter, values);
		this.doubts(parameter).if { this.check(parameter) }
	}

	// What was sent last may not be what the server has: ask, and take the answer.
	check { |parameter|
		specs.includesKey(this.class.row(parameter)).if {
			doubted.add(this.whole(parameter));
			this.address.sendMsg(this.path(this.whole(parameter)), "?")
		}
	}

	doubts { |parameter| ^doubted.includes(this.whole(parameter)) }

	// The server has refused what was sent: ask for what it has. Where it refuses that, too, it has no such value.
	refused { |parameter|
		this.doubts(parameter).if {
			doubted.remove(this.whole(parameter));
			this.forget(this.whole(parameter))
		} {
			this.check(parameter)
		}
	}

	forget { |parameter|
		(this.class.row(parameter) == \direction).if {
			directions.removeAt(parameter.asString.split($/).last.asSymbol)
		} {
			state.removeAt(parameter)
		}
	}

	// \latent for 'latent/3': a coordinate that is none cannot be asked for.
	whole { |parameter| ^if(this.class.row(parameter) == \latent) { \latent } { parameter.asSymbol } }

	place { |parameter| ^"%:%%".format(this.address.ip, this.address.port, this.path(parameter)).asSymbol }

	// Play another voice file of the server's folder under this name.
	load { |file| this.address.sendMsg(this.path(\load), file.asString) }

	// Fade it out and forget it.
	unload { this.address.sendMsg(this.path(\unload)) }

	// A pattern of this voice's parameters: pbind(\intensity, Pwhite(0.2, 0.9), 'direction/brightness', 1, \dur, 0.5).
	pbind { |... pairs| ^Pbind(\type, \petrichor, \voice, this, *pairs) }

	// Takes in what was sent or told: values of a parameter, a level, or what happened to the voice.
	told { |parameter, values|
		case
		{ parameter == \level } { level = values; this.changed(\level, *values) }
		{ parameter == \loaded } {
			#version, latentSize, rate = values.drop(1);
			loaded = true;
			this.changed(\loaded, *values)
		}
		{ parameter == \unloaded } { loaded = false; this.changed(\unloaded) }
		{ #[\failed, \gone].includes(parameter) } { this.changed(parameter, *values) }
		{ values.notEmpty and: { values.every(_.isNumber) } } { this.keep(parameter, values) }
	}

	keep { |parameter, values|
		var first, last, spec, value;
		#first, last = parameter.asString.split($/);
		first = first.asSymbol;
		spec = specs[first];
		spec !? { value = values[0].clip(spec.clipLo, spec.clipHi) };
		case
		{ spec.isNil } { }
		{ first == \direction } { last !? { this.store(directions, last.asSymbol, value, \direction, last.asSymbol) } }
		{ first == \latent } { this.store(state, first, last.isNil.if(values) { this.latentWith(last.asInteger, value) }, first) }
		{ #[\mute, \freeze].includes(first) } { this.store(state, first, value != 0, first) }
		{ this.store(state, first, value, first) }
	}

	latentWith { |index, value|
		var known = state[\latent] ? [];
		^known.copy.extend(max(index + 1, known.size), 0).put(index, value) // the old one stays: what is new is told
	}

	// Dependants hear of what is new only. The server's numbers are float32: 0.3 comes back as 0.300000012.
	store { |place, key, value, what, name|
		var old = place[key];
		place[key] = value;
		(value.isNumber and: { old.isNumber } and: { value.equalWithPrecision(old, 1e-6 * max(1, value.abs)) } or: { value == old })
		.not.if { name.isNil.if { this.changed(what, value) } { this.changed(what, name, value) } }
	}

	// An event of type \petrichor: its parameters become one bundle, `latency` seconds from its logical time on. Several
	// voices take their values in turn. Only what the event itself has counts: \pan is in every event's parent.
	*playEvent { |event, server|
		var voices = event[\voice].asArray, pairs = this.pairs(event), send;
		(voices.isEmpty or: { voices.every(_.isKindOf(PetrichorVoice)).not }) .if {
			Error("Petrichor: got % as \\voice, expected a voice as in Pbind(\\type, \\petrichor, \\voice, p.rain)"
				.format(event[\voice])).throw
		};
		send = {
			voices.collect(_.petrichor).asSet.do { |petrichor|
				var latency = event[\latency] ?? { petrichor.latency ?? { server.latency } };
				var messages = voices.selectIndices { |voice| voice.petrichor === petrichor }
				.collect { |index| voices[index].messages(pairs, index) }.flatten(1);
				event[\lag] !? { |lag| (lag != 0).if { latency = (latency ? 0) + lag } };
				messages.notEmpty.if { petrichor.bundle(latency, *messages) }
			}
		};
		((event[\timingOffset] ? 0) == 0).if(send) {
			thisThread.clock.sched(event[\timingOffset], { send.value; nil })
		}
	}

	// An event's own parameters and their values, in the order in which they are sent.
	*pairs { |event|
		var pairs = List.new;
		event.keysValuesDo { |key, value|
			(order.includes(this.row(key)) and: { value.notNil }).if { pairs.add([key, value]) }
		};
		^pairs.sort { |a, b| order.indexOf(this.row(a[0])) <= order.indexOf(this.row(b[0])) }
	}

	messages { |pairs, index|
		^pairs.collect { |pair|
			var key, value;
			#key, value = pair;
			(value.isSequenceableCollection and: { (key != \latent) or: { value[0].isSequenceableCollection } }).if {
				value = value.wrapAt(index)
			};
			[this.path(key)] ++ this.class.arguments(key, value)
		}
	}

	printOn { |stream| stream << this.class.name << "(" <<< name << ")" }
}
