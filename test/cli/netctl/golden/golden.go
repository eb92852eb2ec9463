// Prints what Go's flag, text/tabwriter, encoding/json and fmt make of some inputs: go run golden.go.
// go-1.19.json is its output, with the names of its fields in the words of the test.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/ioutil"
	"math/rand"
	"os"
	"text/tabwriter"
	"strings"
)

type tab struct{ Text, Table, Help string }
type q struct{ Text, Quoted, Json string }
type fl struct {
	Args  []string
	Err   string
	S     string
	N     int
	B     bool
	Words []string
}

func lay(s string, a, b, c int, p byte) string {
	var o bytes.Buffer
	w := tabwriter.NewWriter(&o, a, b, c, p, 0)
	w.Write([]byte(s))
	w.Flush()
	return o.String()
}

func main() {
	r := rand.New(rand.NewSource(7))
	tabs := []tab{}
	words := []string{"", "a", "default", "10.1.1.0/24", "é", " ", "long long words here", "---"}
	for i := 0; i < 60; i++ {
		n := 1 + r.Intn(6)
		s := ""
		for j := 0; j < n; j++ {
			m := r.Intn(5)
			for k := 0; k < m; k++ {
				s += words[r.Intn(len(words))] + "\t"
			}
			s += words[r.Intn(len(words))] + "\n"
		}
		tabs = append(tabs, tab{s, lay(s, 0, 2, 2, ' '), lay(s, 0, 8, 1, '\t')})
	}
	qs := []q{}
	for _, t := range []string{"network not found\n", "a\"b\\c", "\a\b\f\n\r\t\v", "\x00\x1b\x7f", "é日本", "\u00a0\u200b\u2028\ufeff", "\U0001F600\U000e0001", "<a>&b", "\\b \\\\b", "\u00ad\u0378"} {
		j, _ := json.MarshalIndent(map[string]interface{}{"a": t, "e": []string{}, "l": []string{t}}, "", "  ")
		qs = append(qs, q{t, fmt.Sprintf("%q", t), string(j)})
	}
	fls := []fl{}
	for _, a := range []string{"", "-s x a b", "--s x", "-s=x", "--s=", "-s", "-b a", "-b=false a", "-b=0", "-b=maybe", "-n 5", "-n 0x1F", "-n 017", "-n -3", "-n abc", "-n 99999999999999999999", "-n 1.5", "-n +7", "---s x", "-=x", "--=x", "- a", "-- -s x", "a -s x", "-s -b a", "-s -- a", "-z", "--zz=1", "-s x -s y", "-n 9223372036854775807", "-n 08", "-n 1_000", "-n 0b11", "-n 0o17","-b=TRUE","-b=tRUE","-n="} {
		args := strings.Fields(a)
		set := flag.NewFlagSet("t", flag.ContinueOnError)
		set.SetOutput(ioutil.Discard)
		s := set.String("s", "d", "")
		n := set.Int("n", 1, "")
		b := set.Bool("b", false, "")
		set.Bool("h", false, "")
		err := set.Parse(args)
		e := ""
		if err != nil {
			e = err.Error()
		}
		fls = append(fls, fl{args, e, *s, *n, *b, set.Args()})
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	enc.Encode(map[string]interface{}{"tabs": tabs, "texts": qs, "flags": fls})
}
