package report

var graphicsFaults = []Fault{}
