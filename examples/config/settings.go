package main

import "github.com/workerfx/workerfx"

// settings are all settings of the app. Those of the workers are a part of them.
type settings struct {
	Currency string          `mapstructure:"currency"`
	Worker   workerfx.Config `mapstructure:"worker"`
}

// readers read the settings from a file and from the environment, which is as os.Environ returns it.
var readers = map[string]func(path string, environment []string) (settings, error){
	"viper": readWithViper,
	"koanf": readWithKoanf,
}

const (
	// levels is between the levels of a key, such as worker__defaults__maxAttempts. Names of workers may have a dot, which
	// is usual there, and names of environment variables cannot have one.
	levels = "__"
	// prefix is in front of the environment variables that are settings of this app.
	prefix = "SHOP" + levels
)
