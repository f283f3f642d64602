// Argo's web metric provider as a component: asks an HTTP server, takes a value out of its answer by JSONPath, and lets
// the host judge it by the metric's conditions.

import { send } from "rollcage:plugin/http@0.1.0";
import { accessToken, invalidConfig, measured, measurementRequest, readConfig, tokenRequest, unavailable } from "./provider.js";

function exchange(request) {
  try {
    return send(request);
  } catch (thrown) {
    const error = thrown?.payload ?? thrown;
    const message = `${request.method} ${request.url}: ${error?.val ?? error?.message ?? String(error)}`;
    if (error?.tag === "denied") throw { tag: "denied", val: message };
    if (error?.tag === "invalid-request") throw invalidConfig(message);
    throw unavailable(message);
  }
}

const inFlight = (measurement) => ({ ...measurement, phase: measurement.phase ?? "running", sample: undefined });

export const metrics = {
  init() {},

  run(_run, metric) {
    const config = readConfig(metric.config);
    const token = config.oauth2 && accessToken(exchange(tokenRequest(config)));
    const { value, sample } = measured(config, exchange(measurementRequest(config, token)));
    return { message: "", value, sample, metadata: [] };
  },

  // Every measurement ends in `run`: there is nothing to go on with.
  resume: (_run, _metric, measurement) => inFlight(measurement),
  terminate: (_run, _metric, measurement) => inFlight(measurement),
  garbageCollect() {},
  getMetadata: () => [],

  describe: () => ({
    summary: "measures a value in the JSON answer of an HTTP server",
    version: "0.1.0",
    wants: { http: ["*"], kubernetes: [], credentials: [], env: [] },
  }),
};
