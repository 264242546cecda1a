package limit

const sysPrlimit64 = 302
