package mqttapi

import (
	"encoding/json"
	"testing"

	"mooring/internal/smartrest"
	"mooring/server/platform"
)

// TestOperationLines: the table of mqtt.md §5.2, whose examples these are.
func TestOperationLines(t *testing.T) {
	for _, tt := range []struct {
		name, fragments, want string
		typed                 bool
	}{
		{name: "restart", fragments: `"c8y_Restart":{}`, want: "510,dev"},
		{name: "restart, no object", fragments: `"c8y_Restart":true,"description":"x"`, want: "510,dev"},
		{name: "command", fragments: `"c8y_Command":{"text":"execute this"}`, want: "511,dev,execute this"},
		{name: "command with quotes and lines", fragments: `"c8y_Command":{"text":"echo \"hello\"\necho \"world\""}`, want: "511,dev,\"echo \\\"hello\\\"\necho \\\"world\\\"\""},
		{name: "command with a backslash", fragments: `"c8y_Command":{"text":"a\\nb"}`, want: `511,dev,a\nb`},
		{name: "command without text", fragments: `"c8y_Command":{}`, want: "511,dev,"},
		{name: "command, no object", fragments: `"c8y_Command":"ls"`, want: "511,dev,"},
		{name: "configuration", fragments: `"c8y_Configuration":{"config":"val1=1\nval2=2"}`, want: "513,dev,\"val1=1\nval2=2\""},
		{name: "firmware", fragments: `"c8y_Firmware":{"name":"fw","version":"1.0","url":"http://x"}`, want: "515,dev,fw,1.0,http://x"},
		{name: "firmware, null and number", fragments: `"c8y_Firmware":{"name":"fw","version":1.0,"url":null}`, want: "515,dev,fw,1.0,"},
		{name: "patch", fragments: `"c8y_Firmware":{"name":"fw","version":"1.1","url":"http://x","dependency":"1.0","isPatch":true}`, want: "525,dev,fw,1.1,http://x,1.0"},
		{name: "patch as text", fragments: `"c8y_Firmware":{"name":"fw","version":"1.1","url":"http://x","dependency":"1.0","isPatch":"true"}`, want: "525,dev,fw,1.1,http://x,1.0"},
		{name: "no patch", fragments: `"c8y_Firmware":{"name":"fw","version":"1.1","url":"u","dependency":"1.0","isPatch":false}`, want: "515,dev,fw,1.1,u"},
		{name: "software list", fragments: `"c8y_SoftwareList":[{"name":"a","version":"1.0","url":"url1"},{"name":"b","version":"2.0","url":"url2"}]`, want: "516,dev,a,1.0,url1,b,2.0,url2"},
		{name: "no software", fragments: `"c8y_SoftwareList":[]`, want: "516,dev"},
		{name: "measurements", fragments: `"c8y_MeasurementRequestOperation":{"requestName":"LOGA"}`, want: "517,dev,LOGA"},
		{name: "relay", fragments: `"c8y_Relay":{"relayState":"OPEN"}`, want: "518,dev,OPEN"},
		{name: "relays", fragments: `"c8y_RelayArray":["OPEN","CLOSED"]`, want: "519,dev,OPEN,CLOSED"},
		{name: "upload", fragments: `"c8y_UploadConfigFile":{}`, want: "520,dev"},
		{name: "upload typed", fragments: `"c8y_UploadConfigFile":{"type":"type"}`, want: "526,dev,type"},
		{name: "download", fragments: `"c8y_DownloadConfigFile":{"url":"http://x","c8y_ConfigurationDump":{"id":"1"}}`, want: "521,dev,http://x"},
		{name: "download typed", fragments: `"c8y_DownloadConfigFile":{"url":"http://x","type":"type"}`, want: "524,dev,http://x,type"},
		{name: "log", fragments: `"c8y_LogfileRequest":{"logFile":"syslog","dateFrom":"2021-09-21T11:40:27+0200","dateTo":"2021-09-22T11:40:27+0200","searchText":"ERROR","maximumLines":1000}`,
			want: "522,dev,syslog,2021-09-21T11:40:27+0200,2021-09-22T11:40:27+0200,ERROR,1000"},
		{name: "mode", fragments: `"c8y_CommunicationMode":{"mode":"SMS"}`, want: "523,dev,SMS"},
		{name: "profile", fragments: `"profileName":"p","c8y_DeviceProfile":{"firmware":{"name":"fw","version":"1.0","url":"http://x"},"software":[{"name":"a","version":"1.0","url":"http://a","action":"install"}],"configuration":[{"url":"http://c","type":"type1"}]}`,
			want: "527,dev,$FW,fw,1.0,http://x,false,,$SW,a,1.0,http://a,install,$CONF,http://c,type1"},
		{name: "profile with types", fragments: `"c8y_DeviceProfile":{"firmware":{"name":"fw","version":"1.0","url":"u","isPatch":true,"dependency":"0.9"},"software":[{"name":"a","version":"1.0","softwareType":"rpm","url":"http://a","action":"install"}]}`,
			want: "527,dev,$FW,fw,1.0,u,true,0.9,$SW,a,1.0,http://a,install\n531,dev,$FW,fw,1.0,u,true,0.9,$SW,a,1.0,rpm,http://a,install"},
		{name: "profile of nothing", fragments: `"c8y_DeviceProfile":{"firmware":{},"software":[],"configuration":null}`, want: "527,dev"},
		{name: "software update", fragments: `"c8y_SoftwareUpdate":[{"name":"a","version":"1.0","url":"url1","action":"install"},{"name":"b","version":"2.0","url":"url2","action":"delete"}]`,
			want: "528,dev,a,1.0,url1,install,b,2.0,url2,delete"},
		{name: "software update without types for a device with types", typed: true, fragments: `"c8y_SoftwareUpdate":[{"name":"a","version":"1.0","url":"url1","action":"install"}]`, want: "528,dev,a,1.0,url1,install"},
		{name: "software update with types", typed: true, fragments: `"c8y_SoftwareUpdate":[{"name":"a","version":"1.0","softwareType":"type A","url":"url1","action":"install"}]`, want: "529,dev,a,1.0,type A,url1,install"},
		{name: "software update with types for a device without", fragments: `"c8y_SoftwareUpdate":[{"name":"a","version":"1.0::apt","softwareType":"apt","action":"install"}]`, want: "528,dev,a,1.0::apt,,install"},
		{name: "remote access", fragments: `"c8y_RemoteAccessConnect":{"hostname":"10.0.0.67","port":22,"connectionKey":"eb5e9d13"}`, want: "530,dev,10.0.0.67,22,eb5e9d13"},
		{name: "parameters", fragments: `"c8y_ParameterUpdate":{},"c8y_ParameterUpdate_c8y_RelayStatus":{},"c8y_RelayStatus":{"left":false,"n":1.50,"o":{"a":1},"right":"on","z":null}`,
			want: `532,dev,c8y_RelayStatus.left,b,false,c8y_RelayStatus.n,n,1.50,c8y_RelayStatus.o,,"{\"a\":1}",c8y_RelayStatus.right,s,on,c8y_RelayStatus.z,,`},
		{name: "parameters in the marker", fragments: `"c8y_ParameterUpdate":{},"c8y_ParameterUpdate_s":{"k":1}`, want: "532,dev,s.k,n,1"},
		{name: "parameters without marker", fragments: `"c8y_ParameterUpdate":{"s":{"k":true}}`, want: "532,dev,s.k,b,true"},
		{name: "two at once", fragments: `"c8y_Restart":{},"c8y_Command":{"text":"x"}`, want: "510,dev\n511,dev,x"},
		{name: "none", fragments: `"c8y_SendConfiguration":{},"custom":1`, want: ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op := platform.AddressedOperation{Target: platform.ExternalID{Type: platform.SerialType, Value: "dev"}, SoftwareTypes: tt.typed}
			if err := json.Unmarshal([]byte("{"+tt.fragments+"}"), &op.Fragments); err != nil {
				t.Fatal(err)
			}
			if got := string(operationLines(&op)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	op := platform.AddressedOperation{Operation: platform.Operation{Device: 77, Fragments: platform.Fragments{"c8y_Restart": nil}}}
	if got := string(operationLines(&op)); got != "510,77" {
		t.Errorf("a device without a name: %s", got)
	}
	op.Target.Value = `a,"b"`
	if got := string(operationLines(&op)); got != `510,"a,\"b\""` {
		t.Errorf("a name to be quoted: %s", got)
	}
}

// FuzzOperationLines: whatever an operation is made of, its lines can be read and
// name the device.
func FuzzOperationLines(f *testing.F) {
	f.Add(`{"c8y_Command":{"text":"a\"b,c\nd"}}`, true)
	f.Add(`{"c8y_DeviceProfile":{"firmware":{"name":"x"},"software":[{"softwareType":"t"}],"configuration":{"url":1}}}`, false)
	f.Add(`{"c8y_ParameterUpdate":{"a":{"b":"c"}},"c8y_RelayArray":[1,null,{}]}`, false)
	f.Fuzz(func(t *testing.T, text string, typed bool) {
		op := platform.AddressedOperation{Target: platform.ExternalID{Value: "dev"}, SoftwareTypes: typed}
		if json.Unmarshal([]byte(text), &op.Fragments) != nil {
			return
		}
		lines, err := smartrest.Parse(operationLines(&op))
		if err != nil {
			return // longer than what a device sends
		}
		for _, l := range lines {
			if l.Err == nil && len(l.TemplateID) == 3 && l.Field(0) != "dev" {
				t.Errorf("%s", l.Raw)
			}
		}
	})
}
