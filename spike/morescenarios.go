package spike

// MoreScenarios lists further ones, in the sizes of [Scenarios]:
//
//   - abusers: three times the capacity, and one user in a hundred sends a fifth
//     of the single requests; abusers-long is the same in twice the time;
//   - smaller: three times the capacity, and two thirds of the slots are lost
//     after a third of the spike, until its end;
//   - return: only a third of the slots are there when the spike of three times
//     the capacity begins; the others come back after a third of it;
//   - slower-low: the backend becomes four times slower at 0.35 times the capacity;
//   - slower-spike: the same in the middle of a spike of three times the capacity;
//   - long: the peak for thirty fourteenths of the Duration (30 s), with four of
//     them before and six after;
//   - mild: a step to 1.2 times the capacity;
//   - lost: three quarters of the slots are lost at 0.7 times the capacity;
//   - heavier: from Start on, 30 % of the requests take five times as long;
//   - ramp: to the peak and back in straight lines.
func MoreScenarios(cfg ScenarioConfig) ([]Scenario, error) {
	st, err := cfg.stage()
	if err != nil {
		return nil, err
	}
	long := *st
	long.lasts(4, 30, 6)
	double := *st
	double.lasts(8, 12, 8)
	slots := st.cfg.Backend.Slots
	three := st.step(3 * st.capacity)

	// withFaults is a scenario in which the backend falls ill.
	withFaults := func(name, title string, p Profile, faults ...Fault) Scenario {
		sc := st.scene(name, title, p)
		sc.Faults = faults
		return sc
	}
	smaller := Fault{At: st.start + st.hold/3, For: st.hold - st.hold/3, Kind: FaultCapacity, Value: float64(slots * 2 / 3)}
	comeBack := Fault{At: st.start, For: st.hold / 3, Kind: FaultCapacity, Value: float64(slots - (slots+2)/3)}
	slowNow := Fault{At: st.start + st.hold/2, For: st.hold - st.hold/2, Kind: FaultSlow, Value: 4}
	heavy := Fault{At: st.start, For: st.cfg.Duration - st.start, Kind: FaultHeavy, Value: 5, Share: 0.3}

	return valid([]Scenario{
		st.abused("abusers", "3x the capacity, 1 % of the users send 20 % of the single requests"),
		double.abused("abusers-long", "the same for twice as long"),
		withFaults("smaller", "3x the capacity, two thirds of the slots are lost in the spike", three, smaller),
		withFaults("return", "3x the capacity, a third of the slots at first, then all", three, comeBack),
		withFaults("slower-low", "backend 4x slower at 0.35x", Steady(0.35*st.capacity), st.fault(FaultSlow, 4)...),
		withFaults("slower-spike", "3x the capacity, backend 4x slower from the middle on", three, slowNow),
		long.scene("long", "a long spike of "+st.high()+" the calm load", long.step(st.peak)),
		st.scene("mild", "step to 1.2x the capacity", st.step(1.2*st.capacity)),
		withFaults("lost", "three quarters of the slots are lost at 0.7x", Steady(st.calm), st.fault(FaultCapacity, float64(slots*3/4))...),
		withFaults("heavier", "30 % of the requests become 5x heavier at 0.7x", Steady(st.calm), heavy),
		st.scene("ramp", "ramp to "+st.high()+" the calm load and back", Flash(st.calm, st.peak, st.start, st.hold/2, 0, st.hold-st.hold/2)),
	})
}

// abused is a spike of three times the capacity with abusers, calm or not.
func (st *stage) abused(name, title string) Scenario {
	sc := st.scene(name, title, st.step(3*st.capacity))
	sc.Load.Abusers = Abusers{Users: 0.01, Load: 0.2}
	return sc
}
