// Answers a phase that the contract does not have.
export const metrics = {
  init() {},
  run(_run, _metric) {
    return { phase: 'sideways', message: '', value: '', metadata: [] };
  },
  resume: (_run, _metric, measurement) => measurement,
  terminate: (_run, _metric, measurement) => measurement,
  garbageCollect() {},
  getMetadata: () => [],
  describe: () => ({ summary: "misbehaves", version: "0.1.0", wants: { http: [], kubernetes: [], credentials: [], env: [] } }),
};
