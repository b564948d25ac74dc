import { expect, test } from 'vitest'
import { readWord } from '../src/consent.ts'

test.each([
  'STOP',
  ' stop ',
  'Stop!',
  'Unsubscribe.',
  'opt-out',
  'Arrêt',
  'ARRET',
  'Darme de baja',
  'SAIR',
  'Abmelden',
  'стоп',
  '退订',
  'הסר',
  'Stop promotions',
])('"%s" means stop', (text) => expect(readWord(text)).toBe('opt_out'))

test.each(['START', 'unstop', 'Subscribe', 'alta', "S'abonner"])('"%s" takes a stop back', (text) => expect(readWord(text)).toBe('opt_in'))

test.each(['please stop by tomorrow', "don't stop", 'yes', 'no', '', 'the end of the road', 'I want to cancel my order'])(
  '"%s" says nothing about consent',
  (text) => expect(readWord(text)).toBeUndefined(),
)
