package early

const sysPrlimit64 = 261
