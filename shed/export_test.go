package shed

// FirstLimit is where the limit of an unconfigured Shedder begins.
const FirstLimit = firstGate
