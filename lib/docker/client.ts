/**
 * What we ask of Docker's API: which networks and endpoints the engine has, and to make and remove those that
 * the model has. Only the host's own loops call it, never a plugin call: an engine that waits for our answer must not be asked anything.
 */
import type { z } from 'zod';
import { FairleadError } from '../errors.ts';
import { agreedApi } from './api-version.ts';
import { call, type DockerAnswer, type DockerCall } from './http.ts';
import {
  containerListSchema,
  containerSchema,
  createdSchema,
  infoSchema,
  networkListSchema,
  networkSchema,
  pluginListSchema,
  refusalSchema,
  serviceListSchema,
  versionSchema,
} from './schemas.ts';

/** An endpoint as the engine lists it. Addresses have a prefix length; '' when there is none. */
export interface DockerEndpoint {
  readonly endpointId: string;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** A network as the engine knows it. */
export interface DockerNetwork {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  readonly scope: string;
  readonly internal: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly ipamDriver: string;
  readonly subnets: readonly {
    readonly subnet: string;
    readonly gateway: string;
    readonly auxiliary: readonly string[];
  }[];
  /** Empty in listings: only `network` fills it. */
  readonly endpoints: readonly DockerEndpoint[];
}

/** A container that runs, as the engine lists it. */
export interface DockerContainer {
  readonly id: string;
  /** With the slash in front. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Neither paused, nor with a health check that fails or has not passed yet. */
  readonly works: boolean;
  /** Ids of its attachments. */
  readonly endpointIds: readonly string[];
}

/** A network to be made. */
export interface NewDockerNetwork {
  readonly name: string;
  /** Of both network and addresses. */
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
  readonly ipamOptions: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly internal: boolean;
  readonly ipv6: boolean;
  /** A subnet without a gateway has the gateway that the driver says. */
  readonly subnets: readonly { readonly subnet: string; readonly gateway?: string | undefined }[];
}

/** A service of a swarm, as a manager lists it. */
export interface DockerService {
  readonly id: string;
  readonly name: string;
  /** Grows with each change, over all that the swarm has. */
  readonly version: number;
  /** Its addresses, with a prefix length, by the ids of networks. */
  readonly addresses: readonly { readonly networkId: string; readonly address: string }[];
}

/** What an engine says of itself. */
export interface DockerEngine {
  /** Its identity; it survives restarts and upgrades of the engine. */
  readonly id: string;
  /** Whether it is in swarm mode, or about to be. */
  readonly inSwarm: boolean;
  /** Whether it is a manager of its swarm. */
  readonly isManager: boolean;
}

/** The engine's version, and the API version we speak with it. */
export interface DockerVersion {
  readonly engine: string;
  readonly api: string;
}

/** A managed plugin of the engine, enabled or not. */
export interface DockerPlugin {
  /** With its tag, as networks name their driver. */
  readonly name: string;
  readonly entrypoint: readonly string[];
  readonly enabled: boolean;
  /** `NAME=VALUE`, of all its variables. */
  readonly environment: readonly string[];
}

/** A connection-less client; every call stands alone. All throw DOCKER_DOWN, DOCKER_PROTOCOL, DOCKER_VERSION. */
export interface DockerClient {
  version(signal: AbortSignal): Promise<DockerVersion>;
  engine(signal: AbortSignal): Promise<DockerEngine>;
  networks(signal: AbortSignal): Promise<readonly DockerNetwork[]>;
  /** Managed plugins; none where the engine knows of no such thing. */
  plugins(signal: AbortSignal): Promise<readonly DockerPlugin[]>;
  /** One network with its endpoints; undefined when there is none with this id. */
  network(id: string, signal: AbortSignal): Promise<DockerNetwork | undefined>;
  /** The services of the swarm, as its leader knows them: for managers. */
  services(signal: AbortSignal): Promise<readonly DockerService[]>;
  /** The containers that run. */
  containers(signal: AbortSignal): Promise<readonly DockerContainer[]>;
  /** The names besides its own that a container is known by, for each of its attachments by id; nothing for one
   *  that there is not. */
  aliases(id: string, signal: AbortSignal): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Makes a network of this engine only. @throws DOCKER_REFUSED, with what the engine says */
  createNetwork(network: NewDockerNetwork, signal: AbortSignal): Promise<string>;
  /** Removes a network; one that is not there is removed. @throws DOCKER_REFUSED, when it is in use */
  removeNetwork(id: string, signal: AbortSignal): Promise<void>;
}

/** Makes a client of the engine at `socketPath`. */
export function createDockerClient(socketPath: string): DockerClient {
  let spoken: DockerVersion | undefined;

  const read = async <T>(
    path: string,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<T | undefined> => {
    const answer = await call(socketPath, path, { method: 'GET' }, signal);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) {
      // an engine that was exchanged for another may refuse the version agreed on before
      spoken = undefined;
      throw new FairleadError('DOCKER_PROTOCOL', `Docker answered ${answer.status} to ${path}`, {
        detail: answer.text.slice(0, 500),
      });
    }
    return parse(schema, answer.text, path);
  };

  const version = async (signal: AbortSignal): Promise<DockerVersion> => {
    const answer = await read('/version', versionSchema, signal);
    if (answer === undefined) throw new FairleadError('DOCKER_PROTOCOL', 'Docker has no /version');
    return { engine: answer.Version, api: agreedApi(answer) };
  };

  const path = async (tail: string, signal: AbortSignal): Promise<string> => {
    spoken ??= await version(signal);
    return `/v${spoken.api}${tail}`;
  };

  return {
    version,
    async engine(signal) {
      const info = await read(await path('/info', signal), infoSchema, signal);
      if (info === undefined) throw new FairleadError('DOCKER_PROTOCOL', 'Docker has no /info');
      return describeEngine(info);
    },
    networks: async (signal) =>
      describeNetworks(await read(await path('/networks', signal), networkListSchema, signal)),
    plugins: async (signal) =>
      describePlugins(await read(await path('/plugins', signal), pluginListSchema, signal)),
    services: async (signal) =>
      describeServices(await read(await path('/services', signal), serviceListSchema, signal)),
    async network(id, signal) {
      const tail = `/networks/${encodeURIComponent(id)}`;
      const one = await read(await path(tail, signal), networkSchema, signal);
      return one === undefined ? undefined : describeNetwork(one);
    },
    ...containerReads(path, read),
    ...networkChanges(path, async (where, what, signal) => {
      const answer = await call(socketPath, where, what, signal);
      if (answer.status < 400 || answer.status === 404) return answer;
      // an engine that was exchanged for another may refuse the version agreed on before
      spoken = undefined;
      throw refusal(answer, where);
    }),
  };
}

function describeEngine({ ID: id, Swarm }: z.infer<typeof infoSchema>): DockerEngine {
  const state = Swarm?.LocalNodeState ?? '';
  const inSwarm = state !== '' && state !== 'inactive';
  return { id, inSwarm, isManager: inSwarm && Swarm?.ControlAvailable === true };
}

/** What is asked about containers. `read` gives undefined for a 404. */
function containerReads(
  path: (tail: string, signal: AbortSignal) => Promise<string>,
  read: <T>(path: string, schema: z.ZodType<T>, signal: AbortSignal) => Promise<T | undefined>,
): Pick<DockerClient, 'containers' | 'aliases'> {
  return {
    async containers(signal) {
      const where = await path('/containers/json', signal);
      return describeContainers(await read(where, containerListSchema, signal));
    },
    async aliases(id, signal) {
      const where = await path(`/containers/${encodeURIComponent(id)}/json`, signal);
      const { NetworkSettings } = (await read(where, containerSchema, signal)) ?? {};
      return new Map(
        Object.values(NetworkSettings?.Networks ?? {}).flatMap(({ EndpointID, Aliases }) =>
          EndpointID ? [[EndpointID, Aliases ?? []] as const] : [],
        ),
      );
    },
  };
}

/** The changes. `change` gives 404 as an answer, and throws other refusals. */
function networkChanges(
  path: (tail: string, signal: AbortSignal) => Promise<string>,
  change: (where: string, what: DockerCall, signal: AbortSignal) => Promise<DockerAnswer>,
): Pick<DockerClient, 'createNetwork' | 'removeNetwork'> {
  return {
    async createNetwork(network, signal) {
      const where = await path('/networks/create', signal);
      const answer = await change(where, { method: 'POST', body: bodyOf(network) }, signal);
      // a driver that is not there is a 404
      if (answer.status === 404) throw refusal(answer, where);
      return parse(createdSchema, answer.text, where).Id;
    },
    async removeNetwork(id, signal) {
      const where = await path(`/networks/${encodeURIComponent(id)}`, signal);
      await change(where, { method: 'DELETE' }, signal);
    },
  };
}

function bodyOf(network: NewDockerNetwork): object {
  const { name, driver, options, ipamOptions, labels, internal, ipv6, subnets } = network;
  return {
    Name: name,
    // engines before 25 take a second network of the same name, unless they are told not to
    CheckDuplicate: true,
    Driver: driver,
    Internal: internal,
    EnableIPv6: ipv6,
    Options: options,
    Labels: labels,
    IPAM: {
      Driver: driver,
      Options: ipamOptions,
      Config: subnets.map(({ subnet, gateway }) => ({
        Subnet: subnet,
        ...(gateway === undefined ? {} : { Gateway: gateway }),
      })),
    },
  };
}

/** The engine's own words. */
function refusal({ status, text }: DockerAnswer, path: string): FairleadError {
  let said = text.slice(0, 500);
  try {
    said = refusalSchema.parse(JSON.parse(text)).message;
  } catch {
    // no JSON: the text as it came is the best there is
  }
  return new FairleadError('DOCKER_REFUSED', `Docker refuses ${path}: ${said}`, {
    detail: status,
  });
}

function parse<T>(schema: z.ZodType<T>, text: string, path: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new FairleadError('DOCKER_PROTOCOL', `Docker answered no JSON to ${path}`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new FairleadError('DOCKER_PROTOCOL', `Docker's answer to ${path} is not understood`, {
    cause: parsed.error,
  });
}

function describePlugins(list: z.infer<typeof pluginListSchema> = []): readonly DockerPlugin[] {
  return list.map(({ Name: name, Enabled, Config, Settings }) => ({
    name,
    entrypoint: Config?.Entrypoint ?? [],
    enabled: Enabled === true,
    environment: Settings?.Env ?? [],
  }));
}

/** How an engine says in a list that a health check fails, or has not passed yet. */
const unhealthy = /\((?:unhealthy|health: starting)\)/;

const describeContainers = (
  list: z.infer<typeof containerListSchema> = [],
): readonly DockerContainer[] => list.map(describeContainer);

function describeContainer(raw: z.infer<typeof containerListSchema>[number]): DockerContainer {
  const names = raw.Names ?? [];
  return {
    id: raw.Id,
    // links of other containers are names with two slashes
    name: names.find((name) => name.lastIndexOf('/') === 0) ?? names[0] ?? '',
    labels: raw.Labels ?? {},
    works: (raw.State ?? 'running') === 'running' && !unhealthy.test(raw.Status ?? ''),
    // one that is being attached has none yet
    endpointIds: Object.values(raw.NetworkSettings?.Networks ?? {}).flatMap(
      ({ EndpointID }) => EndpointID || [],
    ),
  };
}

function describeServices(list?: z.infer<typeof serviceListSchema>): readonly DockerService[] {
  // none is an empty list: no answer is none at all
  if (list === undefined) throw new FairleadError('DOCKER_PROTOCOL', 'Docker has no /services');
  return list.map(describeService);
}

const describeService = (raw: z.infer<typeof serviceListSchema>[number]): DockerService => ({
  id: raw.ID,
  name: raw.Spec.Name ?? '',
  version: raw.Version.Index,
  addresses: (raw.Endpoint?.VirtualIPs ?? []).flatMap(({ NetworkID, Addr }) =>
    NetworkID && Addr ? [{ networkId: NetworkID, address: Addr }] : [],
  ),
});

const describeNetworks = (list: z.infer<typeof networkListSchema> = []): readonly DockerNetwork[] =>
  list.map(describeNetwork);

function describeNetwork(raw: z.infer<typeof networkSchema>): DockerNetwork {
  return {
    id: raw.Id,
    name: raw.Name,
    driver: raw.Driver,
    scope: raw.Scope,
    internal: raw.Internal ?? false,
    labels: raw.Labels ?? {},
    ipamDriver: raw.IPAM?.Driver ?? '',
    subnets: (raw.IPAM?.Config ?? []).map((config) => ({
      subnet: config.Subnet ?? '',
      gateway: config.Gateway ?? '',
      auxiliary: Object.values(config.AuxiliaryAddresses ?? {}),
    })),
    endpoints: Object.values(raw.Containers ?? {}).map((one) => ({
      endpointId: one.EndpointID,
      mac: one.MacAddress ?? '',
      ipv4: one.IPv4Address ?? '',
      ipv6: one.IPv6Address ?? '',
    })),
  };
}
