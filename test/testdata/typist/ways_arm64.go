package main

var ways = []way{{"native", number(29)}}
