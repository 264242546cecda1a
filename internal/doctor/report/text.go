package report

var textFaults = []Fault{}
