package main

import (
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"github.com/workerfx/workerfx"
)

// readWithKoanf reads a file with koanf. The environment wins over settings that are in the file.
func readWithKoanf(path string) (workerfx.Config, error) {
	k := koanf.New(".")
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		return workerfx.Config{}, err
	}
	environment := env.Provider(".", env.Opt{Prefix: prefix + "_", TransformFunc: keyOf(k.Keys())})
	if err := k.Load(environment, nil); err != nil {
		return workerfx.Config{}, err
	}
	var config workerfx.Config
	err := k.UnmarshalWithConf("worker", &config, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result: &config, ErrorUnused: true, WeaklyTypedInput: true, // the environment has only texts
		DecodeHook: mapstructure.StringToTimeDurationHookFunc(), // "30s"
	}})
	return config, err
}

// keyOf returns a function that finds the key of an environment variable. Names of workers may have capital letters, and
// variables have none, so the keys of the file decide.
func keyOf(keys []string) func(name, value string) (key string, as any) {
	byName := make(map[string]string)
	for _, key := range keys {
		byName[prefix+"_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))] = key
	}
	return func(name, value string) (string, any) { return byName[name], value } // no key: koanf leaves it out
}
