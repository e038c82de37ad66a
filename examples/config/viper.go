package main

import (
	"strings"

	"github.com/spf13/viper"
)

// readWithViper reads the settings with viper. Viper turns all keys into lower case, so the workers need names in lower
// case. It reads durations such as "1m30s" by itself.
func readWithViper(path string, environment []string) (s settings, err error) {
	v := viper.NewWithOptions(viper.KeyDelimiter(levels))
	v.SetConfigFile(path)
	if err := v.ReadInConfig(); err != nil {
		return settings{}, err
	}
	// AutomaticEnv would only look for the keys that the file has. All other variables, also those with a typing error,
	// would have no effect.
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")
		if key, ok := strings.CutPrefix(name, prefix); ok {
			v.Set(key, value)
		}
	}
	err = v.UnmarshalExact(&s) // a key that is no setting is an error
	return s, err
}
