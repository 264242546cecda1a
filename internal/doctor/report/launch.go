package report

var launchFaults = []Fault{
	{ID: "launch", Topic: "The program does not start", Sees: "chrun prints an error and ends with 125, 126 or 127.",
		Why: "The launch failed before the program ran. The error says what failed.", Command: "{command}"},
	{ID: "hang", Topic: "The program does not start", Sees: "The doctor says that a check had no answer.",
		Why: "A file system or a server accepts requests and does not answer. Programs that need it wait, too."},
}
