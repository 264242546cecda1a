package slack

const sysPrctl = 157
