//go:build unix

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/examples/internal/program"
)

func TestTheProgramReadsTheEnvironmentAndTellsWhatIsInForce(t *testing.T) {
	t.Setenv("SHOP__CURRENCY", "USD")
	t.Setenv("SHOP__WORKER__WORKERS__PRICES__INTERVAL", "1s")
	for reader := range readers {
		shop, err := program.Start("-file", "config.yaml", "-reader", reader)
		require.NoError(t, err)
		t.Cleanup(shop.Kill)
		_, err = shop.Await(t.Context(), `setting from="config by name" schedule="every 1s" worker=prices`)
		require.NoError(t, err)
		_, err = shop.Await(t.Context(), `(?s)currency=USD.*currency=USD`) // a second after the start, so Fx listens for signals
		require.NoError(t, err)
		require.NoError(t, shop.Terminate())
		require.Zero(t, shop.Wait(), shop.Output())
	}
}

func TestAMistakeEndsTheProgramWithAWordAboutIt(t *testing.T) {
	t.Setenv("SHOP__WORKER__WORKERS__PRICE__INTERVAL", "10ms")
	for reader, want := range map[string]string{
		"viper": `did you mean "prices"?`,
		"koanf": `did you mean "prices"?`,
		"vipr":  `flag -reader "vipr": must be viper or koanf`,
	} {
		shop, err := program.Start("-file", "config.yaml", "-reader", reader)
		require.NoError(t, err)
		t.Cleanup(shop.Kill)
		require.Equal(t, 1, shop.Wait())
		require.Contains(t, shop.Output(), want)
	}
}
