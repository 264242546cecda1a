package report

var soundFaults = []Fault{}
