package early

const sysMadvise = 233
