package report

var busFaults = []Fault{}
