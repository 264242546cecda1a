package start

const sysMadvise, sysPrctl = 28, 157
