package faults_test

// misdeedVariable names the environment's variable that makes the test binary a child with a misdeed.
const misdeedVariable = "WORKERFX_MISDEED"

type misdeed struct{ do func() }

var misdeeds = map[string]misdeed{}
