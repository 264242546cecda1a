package limit

const sysPrlimit64 = 261
