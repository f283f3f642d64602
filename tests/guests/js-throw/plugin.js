// Throws what is no error of the contract.
export const metrics = {
  init() {},
  run(_run, _metric) {
    throw new Error('nobody catches this');
  },
  resume: (_run, _metric, measurement) => measurement,
  terminate: (_run, _metric, measurement) => measurement,
  garbageCollect() {},
  getMetadata: () => [],
  describe: () => ({ summary: "misbehaves", version: "0.1.0", wants: { http: [], kubernetes: [], credentials: [], env: [] } }),
};
