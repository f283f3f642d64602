package main

import (
	"net/url"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

// etcdCommand serves until it is killed. It does not write through to the disk: a cluster of a test may lose its data, and
// the disk stays out of its timings.
func etcdCommand() *cobra.Command {
	var folder, client, peer string
	command := &cobra.Command{Use: "etcd", SilenceUsage: true, RunE: func(*cobra.Command, []string) error {
		config := embed.NewConfig()
		config.Dir = folder
		config.LogLevel = "warn"
		config.UnsafeNoFsync = true
		// `up` holds the ports, bound and not listening.
		config.SocketOpts.ReusePort = true
		clients, err := url.Parse(client)
		if err != nil {
			return err
		}
		peers, err := url.Parse(peer)
		if err != nil {
			return err
		}
		config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*clients}, []url.URL{*clients}
		config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{*peers}, []url.URL{*peers}
		config.InitialCluster = config.InitialClusterFromName(config.Name)
		server, err := embed.StartEtcd(config)
		if err != nil {
			return err
		}
		return <-server.Err()
	}}
	command.Flags().StringVar(&folder, "data-dir", "", "folder for the data")
	command.Flags().StringVar(&client, "client", "", "URL for clients")
	command.Flags().StringVar(&peer, "peer", "", "URL for peers, of which there are none")
	return command
}
