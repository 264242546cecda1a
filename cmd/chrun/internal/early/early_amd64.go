package early

const sysMadvise = 28
