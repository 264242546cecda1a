package report

var fileFaults = []Fault{}
