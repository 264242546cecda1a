package early

const sysPrlimit64 = 302
