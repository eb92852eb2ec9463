/**
 * The parts of Docker's API answers that we read (Engine API 1.24 to 1.5x). Unknown fields pass, known
 * fields of another type do not; Go writes absent lists and maps as null.
 */
import { z } from 'zod';

const text = z.string().nullish();

/** Of `/version`. */
export const versionSchema = z.object({
  Version: z.string(),
  ApiVersion: z.string(),
  MinAPIVersion: text,
});

/** Of `/info`, the engine's own identity, kept by it across restarts, and whether it is in a swarm. */
export const infoSchema = z.object({
  ID: z.string(),
  Swarm: z.object({ LocalNodeState: text, ControlAvailable: z.boolean().nullish() }).nullish(),
});

/** Of `/plugins`, managed plugins by name and tag, what they are started by, and how they are set. */
export const pluginListSchema = z.array(
  z.object({
    Name: z.string(),
    Enabled: z.boolean().nullish(),
    Settings: z.object({ Env: z.array(z.string()).nullish() }).nullish(),
    Config: z.object({ Entrypoint: z.array(z.string()).nullish() }).nullish(),
  }),
);

/** What a new network is answered with. */
export const createdSchema = z.object({ Id: z.string() });
/** What a refusal is answered with. */
export const refusalSchema = z.object({ message: z.string() });

const ipamConfigSchema = z.object({
  Subnet: text,
  Gateway: text,
  AuxiliaryAddresses: z.record(z.string(), z.string()).nullish(),
});

/** Of `/networks/ID`. */
export const networkSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  Driver: z.string(),
  Scope: z.string(),
  Internal: z.boolean().nullish(),
  Labels: z.record(z.string(), z.string()).nullish(),
  IPAM: z.object({ Driver: text, Config: z.array(ipamConfigSchema).nullish() }).nullish(),
  Containers: z
    .record(
      z.string(),
      z.object({ EndpointID: z.string(), MacAddress: text, IPv4Address: text, IPv6Address: text }),
    )
    .nullish(),
});

/** Of `/networks`. */
export const networkListSchema = z.array(networkSchema);

/** Of `/services`: of each its addresses in networks; one that has none yet, or none any more, has an empty one. */
export const serviceListSchema = z.array(
  z.object({
    ID: z.string(),
    Version: z.object({ Index: z.int().min(0) }),
    Spec: z.object({ Name: text }),
    Endpoint: z
      .object({
        VirtualIPs: z.array(z.object({ NetworkID: text, Addr: text })).nullish(),
      })
      .nullish(),
  }),
);

/** Of `/containers/json`. */
export const containerListSchema = z.array(
  z.object({
    Id: z.string(),
    Names: z.array(z.string()).nullish(),
    Labels: z.record(z.string(), z.string()).nullish(),
    State: text,
    Status: text,
    NetworkSettings: z
      .object({ Networks: z.record(z.string(), z.object({ EndpointID: text })).nullish() })
      .nullish(),
  }),
);

/** Of `/containers/ID/json`: by which names others know it on each of its networks. */
export const containerSchema = z.object({
  NetworkSettings: z
    .object({
      Networks: z
        .record(z.string(), z.object({ EndpointID: text, Aliases: z.array(z.string()).nullish() }))
        .nullish(),
    })
    .nullish(),
});

/** A line of `/events`. */
export const eventSchema = z.object({
  Type: z.string(),
  Action: z.string(),
  Actor: z.object({ ID: z.string(), Attributes: z.record(z.string(), z.string()).nullish() }),
});
