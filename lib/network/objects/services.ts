/** What is special about services: their labels and ports, their addresses, and how they were before. Pure. */
import {
  checkFailuresDefault,
  checkIntervalSecondsDefault,
  checkTimeoutSecondsDefault,
  serviceEarlierMax,
} from '../../limits.ts';
import { formats } from '../../model/objects/formats.ts';
import type { Config } from '../../model/objects/kind.ts';
import { invalid } from '../../model/objects/read-config.ts';
import type { ObjectRow } from '../../model/objects/rows.ts';
import type { EarlierService } from '../../model/objects/service-lb.ts';
import { sameValue } from '../same-value.ts';
import { configIn, typed } from './object-rows.ts';
import { giveBackAddresses, takeAddresses, type ServiceAddresses } from './service-addresses.ts';
import type { Special } from './special.ts';

const kind = 'serviceLB';

/** What is special about services. */
export const serviceSpecial: Special = {
  check(config, before) {
    const { selectors, ports } = typed(kind, config);
    if (selectors.length === 0) throw invalid('Invalid selector options, expected KEY=VALUE');
    for (const selector of selectors) {
      if (formats.selector.fits(selector)) continue;
      throw invalid(`Invalid selector ${selector}. selector format is key1=value1`);
    }
    const wrong = ports.find((port) => !formats.servicePort.fits(port));
    if (wrong !== undefined || ports.length === 0) {
      const got = wrong === undefined ? '' : ` ${wrong}`;
      throw invalid(`Invalid Port maping${got} . Port format is - Port:TargetPort:Protocol`);
    }
    return checked(config, before);
  },
  first: ['tenantName', 'networkName'],
  *prepare(draft, _name, config, { before }) {
    const addresses = yield* takeAddresses(draft, config, before);
    const isKept = before !== undefined && hasKept(before, addresses);
    return { ...addresses, ...(isKept ? earlierOf(config, before) : {}) };
  },
  *remove(draft, _name, row) {
    yield* giveBackAddresses(draft, row);
  },
};

/** What a check has, and what it is when it is not said. */
const checkDefaults = {
  checkInterval: checkIntervalSecondsDefault,
  checkTimeout: checkTimeoutSecondsDefault,
  checkFailures: checkFailuresDefault,
} as const;

/** A check says all that it goes by; who takes it back takes that back, too. */
function checked(config: Config, before: Config | undefined): Config {
  const { check, ports } = typed(kind, config);
  const settings = Object.entries(checkDefaults);
  if (check === '') {
    const lone = settings.find(([name]) => config[name] !== 0 && config[name] !== before?.[name]);
    if (lone !== undefined) throw invalid(`${lone[0]} is about a check: set check to tcp, too`);
    return { ...config, ...Object.fromEntries(settings.map(([name]) => [name, 0])) };
  }
  if (!ports.some((port) => /:tcp$/i.test(port))) {
    throw invalid('check tcp asks TCP ports: the service has none');
  }
  const said = settings.map(([name, without]) => [name, config[name] || without] as const);
  const whole: Config = { ...config, ...Object.fromEntries(said) };
  const { checkInterval, checkTimeout } = typed(kind, whole);
  if (checkTimeout > checkInterval) {
    throw invalid('checkTimeout is more than checkInterval: a check ends before the next');
  }
  return whole;
}

/** With another address nothing of what is open could go on. */
const hasKept = (before: ObjectRow, now: ServiceAddresses): boolean =>
  now.address === before.address ||
  (now.address6 !== undefined && now.address6 === before.address6);

/** What a service that is now so asked for before: what is open goes on. */
function earlierOf(config: Config, row: ObjectRow): Pick<ObjectRow, 'earlier'> {
  const now = askedFor(config);
  const earlier: EarlierService[] = [];
  for (const each of [askedFor(configIn(kind, row)), ...(row.earlier ?? [])]) {
    if (![now, ...earlier].some((other) => sameValue(other, each))) earlier.push(each);
  }
  return earlier.length === 0 ? {} : { earlier: earlier.slice(0, serviceEarlierMax) };
}

function askedFor(config: Config): EarlierService {
  const { selectors, ports } = typed(kind, config);
  return { selectors, ports };
}
