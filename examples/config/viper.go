package main

import (
	"strings"

	"github.com/spf13/viper"

	"github.com/workerfx/workerfx"
)

// readWithViper reads a file with viper. The environment wins over settings that are in the file. Viper makes keys lower
// case, also the names of workers.
func readWithViper(file string) (workerfx.Config, error) {
	v := viper.New()
	v.SetConfigFile(file)
	v.SetEnvPrefix(prefix)
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	v.AutomaticEnv()
	if err := v.ReadInConfig(); err != nil {
		return workerfx.Config{}, err
	}
	var whole struct{ Worker workerfx.Config }
	err := v.UnmarshalExact(&whole) // a typing error is an error
	return whole.Worker, err
}
