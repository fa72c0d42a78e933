// Package house holds the tests about the repository itself: who may import
// whom, that every module is in the workspace and can stand alone, that the
// code in the documentation compiles, what a consumer's go.sum holds, and the
// few rules of style that no linter knows. They live outside the core module
// because they need the go command and other people's modules.
//
// They read files that the go command does not know to be their input. Run
// them with -count=1, or an old result may be shown again.
package house
