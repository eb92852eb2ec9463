/** BGP neighbour of a host. Kept for Contiv's commands; routes are not exchanged yet. */
import { bgpHostCharactersMax } from '../../limits.ts';
import { describeKind, type ConfigOf } from './kind.ts';

/** The description of BGP neighbours. */
export const bgpKind = describeKind({
  name: 'Bgp',
  plural: 'Bgps',
  doc: 'The router that a host would exchange routes with by BGP; one for each host.',
  key: ['hostname'],
  access: 'all',
  fields: {
    hostname: {
      type: 'text',
      format: 'name',
      charactersMax: bgpHostCharactersMax,
      required: true,
      doc: 'Name of the host.',
    },
    routerip: {
      type: 'text',
      format: 'routerAddress',
      charactersMax: 64,
      doc: 'Address of the host towards the router, with its length.',
    },
    as: {
      type: 'text',
      format: 'autonomousSystem',
      charactersMax: 64,
      doc: 'Number of the host’s autonomous system.',
    },
    'neighbor-as': {
      type: 'text',
      format: 'autonomousSystem',
      charactersMax: 64,
      doc: 'Number of the router’s autonomous system.',
    },
    neighbor: {
      type: 'text',
      format: 'ipv4',
      charactersMax: 64,
      doc: 'Address of the router.',
    },
  },
  linkSets: {},
  links: {},
  oper: {
    adminStatus: { type: 'text', doc: 'Whether it is switched on.' },
    neighborStatus: { type: 'text', doc: 'State of the session.' },
    numRoutes: { type: 'whole', doc: 'Routes that were learnt.' },
    routes: { type: 'texts', doc: 'The routes that were learnt.' },
  },
  columns: [
    { head: 'HostName', field: 'hostname' },
    { head: 'RouterIP', field: 'routerip' },
    { head: 'AS', field: 'as' },
    { head: 'Neighbor', field: 'neighbor' },
    { head: 'NeighborAS', field: 'neighbor-as' },
  ],
});

/** The configuration of a BGP neighbour. */
export type BgpConfig = ConfigOf<typeof bgpKind>;
