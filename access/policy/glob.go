package policy

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// glob is a pattern: * stands for any text, ? for one character, ${key} for the value of a condition key.
type glob struct {
	tokens    []rune // literal characters, anyText, anyOne, or firstVariable-i
	variables []placeholder
}

// Tokens that are no character.
const (
	anyText       rune = -1
	anyOne        rune = -2
	firstVariable rune = -3
)

// placeholder is a policy variable: ${key} or ${key, 'preset'}.
type placeholder struct {
	key       string // in small letters
	preset    string
	hasPreset bool
}

// compile reads a pattern. Without wild, * and ? are themselves; without variables, ${ is.
func compile(text string, wild, variables bool) (g glob, err error) {
	for text != "" {
		if inside, ok := strings.CutPrefix(text, "${"); ok && variables {
			if inside, text, ok = strings.Cut(inside, "}"); !ok {
				return g, syntax("A policy variable does not end: ${%.40s", inside)
			}
			if err := g.addVariable(inside); err != nil {
				return g, err
			}
			continue
		}
		c, n := utf8.DecodeRuneInString(text)
		text = text[n:]
		switch {
		case wild && c == '*':
			c = anyText
		case wild && c == '?':
			c = anyOne
		}
		g.tokens = append(g.tokens, c)
	}
	return g, nil
}

// addVariable adds what stands between ${ and }.
func (g *glob) addVariable(inside string) error {
	if inside == "*" || inside == "?" || inside == "$" { // the characters themselves
		g.tokens = append(g.tokens, rune(inside[0]))
		return nil
	}
	key, preset, ok := strings.Cut(inside, ",")
	v := placeholder{key: strings.ToLower(strings.TrimSpace(key)), hasPreset: ok}
	if ok {
		preset = strings.TrimSpace(preset)
		if len(preset) < 2 || preset[0] != '\'' || preset[len(preset)-1] != '\'' {
			return syntax("The default of the policy variable ${%.80s} must stand in single quotes.", inside)
		}
		v.preset = preset[1 : len(preset)-1]
	}
	if v.key == "" {
		return syntax("The policy variable ${%.80s} has no name.", inside)
	}
	g.tokens = append(g.tokens, firstVariable-rune(len(g.variables)))
	g.variables = append(g.variables, v)
	return nil
}

// resolve puts values in the place of variables. A variable without a value and without a preset makes the pattern one
// that nothing matches.
func (g glob) resolve(keys map[string][]string) (tokens []rune, ok bool) {
	if g.variables == nil {
		return g.tokens, true
	}
	for _, t := range g.tokens {
		if t > firstVariable {
			tokens = append(tokens, t)
			continue
		}
		v := g.variables[firstVariable-t]
		switch values := keys[v.key]; {
		case len(values) == 1:
			tokens = append(tokens, []rune(values[0])...)
		case v.hasPreset:
			tokens = append(tokens, []rune(v.preset)...)
		default:
			return nil, false
		}
	}
	return tokens, true
}

func (g glob) match(text string, keys map[string][]string) bool {
	tokens, ok := g.resolve(keys)
	return ok && matchTokens(tokens, text)
}

func matchAny(list []glob, text string, keys map[string][]string) bool {
	return slices.ContainsFunc(list, func(g glob) bool { return g.match(text, keys) })
}

// matchTokens tries the shortest text for each anyText and goes back to the last one only, so its time is bounded by the
// product of the lengths.
func matchTokens(tokens []rune, text string) bool {
	at, star, retry := 0, -1, ""
	for text != "" {
		c, n := utf8.DecodeRuneInString(text)
		switch {
		case at < len(tokens) && tokens[at] == anyText:
			star, retry = at, text
			at++
		case at < len(tokens) && (tokens[at] == anyOne || tokens[at] == c):
			at++
			text = text[n:]
		case star >= 0:
			_, n := utf8.DecodeRuneInString(retry)
			retry = retry[n:]
			at, text = star+1, retry
		default:
			return false
		}
	}
	for at < len(tokens) && tokens[at] == anyText {
		at++
	}
	return at == len(tokens)
}

// matchARN compares part by part: a wildcard stands for nothing beyond the colon.
func (g glob) matchARN(arn string, keys map[string][]string) bool {
	tokens, ok := g.resolve(keys)
	if !ok {
		return false
	}
	for range arnParts - 1 {
		i := slices.Index(tokens, ':')
		part, rest, found := strings.Cut(arn, ":")
		if i < 0 || !found || !matchTokens(tokens[:i], part) {
			return false
		}
		tokens, arn = tokens[i+1:], rest
	}
	return matchTokens(tokens, arn)
}

const arnParts = 6
