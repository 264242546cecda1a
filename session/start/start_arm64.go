package start

const sysMadvise, sysPrctl = 233, 167
