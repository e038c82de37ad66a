package main

import (
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// readWithKoanf reads the settings with koanf.
func readWithKoanf(path string, environment []string) (s settings, err error) {
	inFile := koanf.New(levels)
	if err := inFile.Load(file.Provider(path), yaml.Parser()); err != nil {
		return settings{}, err
	}
	all := koanf.New(levels)
	for _, source := range []koanf.Provider{
		confmap.Provider(lowerCase(inFile.All()), levels),
		env.Provider(levels, env.Opt{
			Prefix: prefix,
			TransformFunc: func(name, value string) (string, any) {
				return strings.ToLower(strings.TrimPrefix(name, prefix)), value
			},
			EnvironFunc: func() []string { return environment },
		}), // what comes last wins
	} {
		if err := all.Load(source, nil); err != nil {
			return settings{}, err
		}
	}
	err = all.UnmarshalWithConf("", &s, koanf.UnmarshalConf{DecoderConfig: decoding()})
	return s, err
}

// lowerCase turns keys into lower case, as names of environment variables say nothing about case. So the workers need names
// in lower case.
func lowerCase(values map[string]any) map[string]any {
	lower := make(map[string]any, len(values))
	for key, value := range values {
		lower[strings.ToLower(key)] = value
	}
	return lower
}

// decoding says how values become settings.
func decoding() *mapstructure.DecoderConfig {
	return &mapstructure.DecoderConfig{
		TagName:          "mapstructure",
		ErrorUnused:      true, // a key that is no setting is an error
		WeaklyTypedInput: true, // in the environment, numbers are text
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(), // "1m30s"
			mapstructure.StringToSliceHookFunc(","),     // a list, as SHOP__WORKER__ONLY may be
		),
	}
}
