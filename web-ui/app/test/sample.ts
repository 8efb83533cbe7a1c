import type { Application, Image } from '../src/model.ts';

/** An application that is well, but for what is said. */
export function application(but: Partial<Application>): Application {
  return {
    namespace: 'shop',
    name: 'web',
    repository: 'config',
    path: 'apps/web',
    destination: 'shop',
    severity: 'healthy',
    health: 'Healthy',
    healthSince: null,
    holds: [],
    waitingFor: [],
    nextTry: null,
    why: {
      reason: 'Synced',
      class: 'good',
      sentence: 'What Git says is applied and healthy',
      detail: '',
      remedy: '',
      since: '2026-01-01T00:00:00Z',
    },
    revision: { branch: 'main', commit: '0123456789012345678901234567890123456789' },
    commit: {
      id: '0123456789012345678901234567890123456789',
      subject: 'Raise the limit',
      author: 'Ada Osei',
      time: '2026-01-01T00:00:00Z',
    },
    lastSync: null,
    objects: 1,
    images: [],
    ...but,
  };
}

/** An image policy that is well, but for what is said. */
export function image(but: Partial<Image>): Image {
  return {
    namespace: 'shop',
    name: 'web',
    image: 'registry.example.com/acme/web',
    select: '>=2.0 <3',
    repository: 'config',
    current: '2.4.1',
    chosen: '2.4.1',
    severity: 'healthy',
    why: {
      reason: 'UpToDate',
      class: 'good',
      sentence: 'Git already names the newest image that the policy allows',
      detail: '2.4.1',
      remedy: '',
      since: '2026-01-01T00:00:00Z',
    },
    scannedAt: '2026-01-01T00:00:00Z',
    nextScan: null,
    ...but,
  };
}
