package report

var hostFaults = []Fault{}
