// Config has the settings of its workers in a file and in the environment. It reads them with viper or with koanf:
//
//	go run ./examples/config
//	go run ./examples/config -reader koanf
//	SHOP__WORKER__WORKERS__PRICES__INTERVAL=2s go run ./examples/config
//
// It logs the settings that are not the defaults, and where each comes from. Then it works until Ctrl-C.
//
// A variable of the environment wins over the file. Its name is the way to the setting in the file, in any case, with
// two underscores between the levels, and with SHOP in front. A setting or a worker that does not exist is an error,
// wherever it is named.
package main

import (
	"flag"
	"fmt"
	"os"

	"go.uber.org/fx"
)

func main() {
	file := flag.String("file", "examples/config/config.yaml", "the `file` with the settings")
	reader := flag.String("reader", "viper", "what reads them: viper or koanf")
	flag.Parse()

	read, ok := readers[*reader]
	if !ok {
		fail(fmt.Errorf("flag -reader %q: must be viper or koanf", *reader))
	}
	s, err := read(*file, os.Environ())
	if err != nil {
		fail(err)
	}
	app := fx.New(options(s), fx.NopLogger)
	if err := app.Err(); err != nil { // such as that no worker has a name that the settings have
		fail(err)
	}
	app.Run()
}

func fail(err error) {
	_, _ = fmt.Fprintln(os.Stderr, "config:", err)
	os.Exit(1)
}
