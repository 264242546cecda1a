package slack

const sysPrctl = 167
